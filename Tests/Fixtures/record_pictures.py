"""Makes Tests/Fixtures/pictures: small pictures drawn by a formula, what Pillow reads in them, and what
transformers' image processors make of them.

    python3 Tests/Fixtures/record_pictures.py

Needs pillow 13, numpy, transformers 4.57 and safetensors. The directory holds

    *.png, *.jpg               one of each kind of file
    pixels.safetensors         what transformers' `load_image` reads, u8[height, width, 3] by file
    preparations.json          cases: a preprocessor_config.json, a file
    prepared.safetensors       `pixel_values` of each case, by its number

`record_models.py` calls `record` for the models that see pictures.
"""

import json
import os
import struct
import zlib

import numpy
import torch
import transformers as t
from PIL import Image
from safetensors.numpy import save_file
from transformers.image_utils import load_image

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures")


def drawn(height, width, channels=3):
    """Waves and hard edges, other ones in every channel."""
    y, x, c = numpy.meshgrid(
        numpy.arange(height), numpy.arange(width), numpy.arange(channels), indexing="ij")
    wave = numpy.sin(x * (0.31 + 0.11 * c)) * numpy.cos(y * (0.23 + 0.07 * c))
    edge = ((x // 5 + y // 7 + c) % 3 == 0) * 70
    return numpy.clip(128 + 90 * wave + edge, 0, 255).astype(numpy.uint8)


def png(name, rows, bits, colour, interlaced=False, **chunks):
    """A PNG of rows `[height, width, channels]`, for kinds that Pillow does not write."""
    height, width = rows.shape[:2]
    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                  (0, 1, 1, 2)]
    data = b""
    for left, top, across, down in passes:
        for row in rows[top::down, left::across]:
            if row.size == 0:
                continue
            flat = row.reshape(-1)
            packed = numpy.packbits(
                numpy.unpackbits(flat.astype(">u2").view(numpy.uint8)).reshape(-1, 16)[:, -bits:])
            data += b"\0" + packed.tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    parts = [chunk(b"IHDR", header)]
    parts += [chunk(kind.encode(), value) for kind, value in chunks.items()]
    parts += [chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    with open(os.path.join(HERE, name), "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def draw():
    def save(name, image, **how):
        image.save(os.path.join(HERE, name), **how)
    colours, grey = drawn(29, 37), drawn(29, 37, 1)
    image = Image.fromarray(colours)
    alpha = drawn(29, 37, 4)
    save("rgb.png", image)
    save("rgba.png", Image.fromarray(alpha))
    save("grey.png", Image.fromarray(grey[:, :, 0]))
    save("grey-alpha.png", Image.fromarray(drawn(29, 37, 2)))
    save("palette.png", image.quantize(7))
    save("palette-alpha.png", image.quantize(7), transparency=bytes([0, 255, 17]))
    for bits in 1, 2, 4:
        png(f"grey{bits}.png", grey >> (8 - bits), bits, 0)
    deep = colours.astype(numpy.uint16) * 256 + drawn(29, 37)[:, ::-1]
    png("rgb16.png", deep, 16, 2)
    png("rgba16.png", alpha.astype(numpy.uint16) * 256 + 200, 16, 6)
    png("grey16.png", (grey.astype(numpy.uint16) * 3), 16, 0)
    png("grey-alpha16.png", drawn(29, 37, 2).astype(numpy.uint16) * 256 + 255, 16, 4)
    png("rgb-key.png", colours, 8, 2, tRNS=struct.pack(">HHH", *colours[3, 3].tolist()))
    png("grey-key.png", grey >> 4, 4, 0, tRNS=struct.pack(">H", 7))
    png("interlaced.png", colours, 8, 2, interlaced=True, gAMA=struct.pack(">I", 100000))
    png("turned.png", colours, 8, 2, eXIf=exif(8).tobytes()[6:])
    photo = Image.fromarray(drawn(43, 51))
    save("photo.jpg", photo, quality=90)
    save("photo444.jpg", photo, quality=75, subsampling=0)
    save("photo422.jpg", photo, quality=75, subsampling=1)
    save("progressive.jpg", photo, quality=60, progressive=True)
    save("grey.jpg", Image.fromarray(grey[:, :, 0]), quality=90)
    save("cmyk.jpg", Image.fromarray(alpha, mode="CMYK"), quality=90)
    for orientation in range(2, 9):
        save(f"turned{orientation}.jpg", Image.fromarray(drawn(16, 24)), exif=exif(orientation))
    # Long and thin: the shorter side decides.
    save("long.png", Image.fromarray(drawn(7, 61)))
    return sorted(name for name in os.listdir(HERE) if name[-4:] in (".png", ".jpg"))


def preparations():
    """A preprocessor_config.json, and the picture that it is for."""
    cases = []
    def case(kind, file="rgb.png", **keys):
        cases.append(({"image_processor_type": kind, **keys}, file))
    small = {"height": 13, "width": 11}
    for resample in range(6):
        case("ViTImageProcessor", size=small, resample=resample)
        case("ViTImageProcessor", "long.png", size={"height": 19, "width": 17}, resample=resample)
        # Higher than wide: rows are resampled first.
        case("SiglipImageProcessor", "turned6.jpg", size={"height": 13, "width": 17},
             resample=resample)
        case("CLIPImageProcessor", "photo.jpg", size={"shortest_edge": 15}, resample=resample,
             crop_size={"height": 12, "width": 13})
    case("ViTFeatureExtractor", size=16)
    case("ViTImageProcessor", size=[12, 15], do_rescale=False, do_normalize=False)
    case("ViTImageProcessor", size=[12, 15], do_rescale=False)
    case("ViTImageProcessor", do_resize=False, do_normalize=False, rescale_factor=0.01)
    case("ViTImageProcessor", "rgb.png", size={"height": 29, "width": 11}, image_mean=0.4,
         image_std=[0.2, 0.3, 0.7], do_center_crop=True, crop_size=3)
    case("CLIPImageProcessor", "long.png", size=9, crop_size=12)
    case("CLIPImageProcessor", "long.png", do_resize=False, crop_size={"height": 10, "width": 70})
    case("CLIPImageProcessor", size={"height": 12, "width": 9}, do_center_crop=False)
    case("CLIPFeatureExtractor", "turned6.jpg", size=14, crop_size=14, do_convert_rgb=False)
    case("BitImageProcessor", size={"shortest_edge": 14}, crop_size=11, rescale_factor=1 / 127.5)
    case("DeiTImageProcessor", size=18, crop_size={"height": 14, "width": 15})
    case("SiglipImageProcessor", size=small)
    case("SiglipImageProcessorFast", "rgba.png", size=small, resample=2)
    return cases


def processor(config):
    name = config["image_processor_type"].removesuffix("Fast")
    return getattr(t, name.replace("FeatureExtractor", "ImageProcessor")).from_dict(config)


def record(model, directory, more):
    """What the verbs on pictures give for the model in `directory`."""
    config = more["pictures"]
    with open(os.path.join(directory, "preprocessor_config.json"), "w") as file:
        json.dump(config, file, indent=2)
    files = ["rgb.png", "photo.jpg", "turned6.jpg"]
    pixels = processor(config)(
        [load_image(os.path.join(HERE, file)) for file in files], return_tensors="pt")
    result = {"files": files}
    with torch.no_grad():
        if "tokenizer" in more:
            captions = ["a cat, sleeping", "The River!", "bread"]
            tokenizer = t.AutoTokenizer.from_pretrained(directory)
            siglip = model.config.model_type == "siglip"
            how = dict(padding="max_length", max_length=64, truncation=True) if siglip else dict(
                padding=True)
            texts = tokenizer(captions, return_tensors="pt", **how)
            outputs = model(**texts, **pixels)
            logits = outputs.logits_per_image
            result |= {
                "labels": captions, "ids": texts["input_ids"].tolist(),
                "scores": (logits.sigmoid() if siglip else logits.softmax(-1)).tolist(),
                "texts": outputs.text_embeds.tolist(), "pictures": outputs.image_embeds.tolist()}
        else:
            outputs = model(**pixels)
            if "logits" in outputs:
                result["scores"] = outputs.logits.softmax(-1).tolist()
            else:
                result["pictures"] = outputs.pooler_output.tolist()
    with open(os.path.join(directory, "pictures.json"), "w") as file:
        lines = (f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in result.items())
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    os.makedirs(HERE, exist_ok=True)
    files = draw()
    save_file(
        {name: numpy.array(load_image(os.path.join(HERE, name))) for name in files},
        os.path.join(HERE, "pixels.safetensors"))
    cases = preparations()
    values = {}
    for number, (config, file) in enumerate(cases):
        pixels = processor(config)(
            load_image(os.path.join(HERE, file)), return_tensors="np")["pixel_values"][0]
        values[str(number)] = numpy.ascontiguousarray(pixels.astype(numpy.float32))
    save_file(values, os.path.join(HERE, "prepared.safetensors"))
    with open(os.path.join(HERE, "preparations.json"), "w") as file:
        rows = (json.dumps({"file": name, "config": config}) for config, name in cases)
        file.write("[\n  " + ",\n  ".join(rows) + "\n]\n")


if __name__ == "__main__":
    main()
