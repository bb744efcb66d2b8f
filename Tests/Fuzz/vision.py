"""ViT, DeiT, DINOv2, CLIP and SigLIP."""

import transformers as t

from draw import Case


def picture(r, even=False):
    """The keys that all encoders of pictures have."""
    hidden, heads = r.heads(even=even)
    patch = r.to(2, 9)
    size = patch * r.to(1, 5) + r.to(0, patch - 1)
    return dict(
        hidden_size=hidden, num_attention_heads=heads, num_hidden_layers=r.to(1, 3),
        image_size=size, patch_size=patch, hidden_act=r.activation(), initializer_range=0.5,
        num_channels=r.one(1, 2, 3, 3, 4), layer_norm_eps=r.epsilon())


def oblong(r, keys):
    """Sizes of two numbers, for those that take them."""
    if r.chance(0.4):
        keys["image_size"] = [keys["image_size"], keys["image_size"] + r.to(0, 20)]
    if r.chance(0.25):
        keys["patch_size"] = [keys["patch_size"], max(1, keys["patch_size"] - 1)]
    return keys


def pixels(r, config, count):
    size = config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return r.normal(count, config.num_channels, height, width)


def pictures(r, config):
    return {
        "one": {"pixel_values": pixels(r, config, 1)},
        "three": {"pixel_values": 3 * pixels(r, config, 3) + 1},
    }


def vit(r):
    config = t.ViTConfig(
        **oblong(r, picture(r)), intermediate_size=r.to(1, 40), **r.labels(),
        **r.some(qkv_bias=False, pooler_output_size=r.to(1, 40), pooler_act=r.activation()))
    return Case(r.one(t.ViTModel, t.ViTForImageClassification), config, pictures(r, config))


def deit(r):
    config = t.DeiTConfig(
        **oblong(r, picture(r)), intermediate_size=r.to(1, 40), **r.labels(),
        **r.some(qkv_bias=False, pooler_output_size=r.to(1, 40), pooler_act=r.activation()))
    kind = r.one(t.DeiTModel, t.DeiTForImageClassification,
                 t.DeiTForImageClassificationWithTeacher)
    return Case(kind, config, pictures(r, config))


def dinov2_case(r, config, kinds):
    case = Case(r.one(*kinds), config, pictures(r, config))
    size = config.image_size
    patch = config.patch_size
    if isinstance(size, int) and isinstance(patch, int) and r.chance(0.5):
        height, width = patch * r.to(1, 6) + r.to(0, 1), patch * r.to(1, 6)
        case.files["preprocessor_config.json"] = {
            "image_processor_type": "BitImageProcessor", "do_resize": False,
            "crop_size": {"height": height, "width": width}}
        if (height, width) != (size, size):
            case.inputs["other"] = {
                "pixel_values": r.normal(2, config.num_channels, height, width)}
            case.entries["other"] = "picture"
    return case


def dinov2_keys(r):
    return dict(
        **oblong(r, picture(r)), mlp_ratio=r.one(1, 2, 3, 4), **r.labels(),
        **r.some(qkv_bias=False, use_swiglu_ffn=True, layerscale_value=0.3,
                 drop_path_rate=0.1, use_mask_token=False))


def dinov2(r):
    return dinov2_case(
        r, t.Dinov2Config(**dinov2_keys(r)), (t.Dinov2Model, t.Dinov2ForImageClassification))


def dinov2_registers(r):
    config = t.Dinov2WithRegistersConfig(**dinov2_keys(r), num_register_tokens=r.to(0, 5))
    return dinov2_case(
        r, config, (t.Dinov2WithRegistersModel, t.Dinov2WithRegistersForImageClassification))


def caption(r, least):
    hidden, heads = r.heads()
    words = r.to(9, 120)
    return dict(
        hidden_size=hidden, num_attention_heads=heads, num_hidden_layers=r.to(1, 3),
        intermediate_size=r.to(1, 40), vocab_size=words, max_position_embeddings=r.to(least, 40),
        hidden_act=r.activation(), layer_norm_eps=r.epsilon(),
        pad_token_id=r.to(0, words - 1), bos_token_id=r.to(0, words - 1),
        eos_token_id=r.one(2, words - 1, r.to(0, words - 1)))


def captions(r, config):
    """Captions with positions, some of which end with their token and some of which do not."""
    cases = r.texts(config.vocab_size, config.max_position_embeddings, config.pad_token_id,
                    positions=config.max_position_embeddings)
    for name, inputs in cases.items():
        if r.chance(0.7) and name not in ("batch", "alone"):
            place = r.to(0, inputs["input_ids"].shape[1] - 1)
            inputs["input_ids"][:, place] = config.eos_token_id
    return cases


def both(r, config):
    """Captions and pictures, not as many of one as of the other."""
    cases = captions(r, config.text_config)
    for inputs in cases.values():
        inputs["pixel_values"] = pixels(r, config.vision_config, r.to(1, 3))
    cases.pop("alone")
    return cases


def clip(r):
    text, vision = caption(r, 2), dict(**picture(r), intermediate_size=r.to(1, 40))
    kind = r.one(
        t.CLIPModel, t.CLIPModel, t.CLIPTextModel, t.CLIPTextModelWithProjection,
        t.CLIPVisionModel, t.CLIPVisionModelWithProjection, t.CLIPForImageClassification)
    if kind in (t.CLIPModel, t.CLIPForImageClassification):
        config = t.CLIPConfig(
            text_config=text, vision_config=vision, **r.some(projection_dim=r.to(1, 30)),
            **(r.labels() if kind is t.CLIPForImageClassification else {}))
        inputs = both(r, config) if kind is t.CLIPModel else pictures(r, config.vision_config)
    elif "Text" in kind.__name__:
        config = t.CLIPTextConfig(**text, projection_dim=r.to(1, 30))
        inputs = captions(r, config)
    else:
        config = t.CLIPVisionConfig(**vision, projection_dim=r.to(1, 30))
        inputs = pictures(r, config)
    return Case(kind, config, inputs)


def siglip(r):
    text, vision = caption(r, 2), dict(**picture(r), intermediate_size=r.to(1, 40))
    kind = r.one(t.SiglipModel, t.SiglipModel, t.SiglipTextModel, t.SiglipVisionModel,
                 t.SiglipForImageClassification)
    if kind in (t.SiglipModel, t.SiglipForImageClassification):
        if kind is t.SiglipModel:
            text["projection_size"] = vision["hidden_size"]
        config = t.SiglipConfig(
            text_config=text, vision_config=vision,
            **(r.labels() if kind is t.SiglipForImageClassification else {}))
        inputs = both(r, config) if kind is t.SiglipModel else pictures(r, config.vision_config)
    elif kind is t.SiglipTextModel:
        config = t.SiglipTextConfig(**text, **r.some(projection_size=r.to(1, 30)))
        inputs = captions(r, config)
    else:
        config = t.SiglipVisionConfig(**vision, **r.some(vision_use_head=False))
        inputs = pictures(r, config)
    return Case(kind, config, inputs)


FAMILIES = {
    "vit": vit, "deit": deit, "dinov2": dinov2, "dinov2-with-registers": dinov2_registers,
    "clip": clip, "siglip": siglip}
