"""The tiny models of pictures, and of pictures and captions; see fixture_models.py."""

import torch
import transformers as t

import tokenizers_for_fixtures as tok


def labels(*names):
    return {
        "id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}


MOODS = labels("joy", "anger", "surprise")


def stack(hidden, heads, intermediate, layers=2, **more):
    return dict(
        hidden_size=hidden, num_attention_heads=heads, intermediate_size=intermediate,
        num_hidden_layers=layers, **more)


def caption(hidden, heads, intermediate, **more):
    return stack(hidden, heads, intermediate, **{
        "vocab_size": 101, "max_position_embeddings": 67, "bos_token_id": 98, "eos_token_id": 99,
        "pad_token_id": 1, **more})


def picture(hidden, heads, intermediate, size, patch, **more):
    return stack(hidden, heads, intermediate, image_size=size, patch_size=patch, **more)


def dinov2(kind, hidden, heads, size, patch, **more):
    return kind(
        hidden_size=hidden, num_attention_heads=heads, num_hidden_layers=2, image_size=size,
        patch_size=patch, **more)


FIXTURES = {
    "clip": (
        t.CLIPModel,
        t.CLIPConfig(
            text_config=caption(
                24, 4, 37, vocab_size=tok.CLIP_SIZE, bos_token_id=0, eos_token_id=1),
            vision_config=picture(20, 2, 31, 18, 5, layer_norm_eps=1e-4), projection_dim=19),
        {"tokenizer": "clip",
         "pictures": {"image_processor_type": "CLIPImageProcessor", "size": 20, "crop_size": 18}}),
    # The first files said that token 2 ends a text, and meant the one of the largest id.
    "clip-old": (
        t.CLIPModel,
        t.CLIPConfig(
            text_config=caption(18, 3, 29, eos_token_id=2, hidden_act="gelu"), projection_dim=16,
            vision_config=picture(27, 3, 41, 21, 7, hidden_act="gelu_new", num_channels=1)),
        {}),
    "clip-text": (t.CLIPTextModel, t.CLIPTextConfig(**caption(21, 3, 33, layers=3)), {}),
    "clip-text-projection": (
        t.CLIPTextModelWithProjection,
        t.CLIPTextConfig(**caption(20, 5, 37, projection_dim=23, eos_token_id=2)), {}),
    "clip-vision": (t.CLIPVisionModel, t.CLIPVisionConfig(**picture(24, 4, 37, 16, 4)), {}),
    "clip-vision-projection": (
        t.CLIPVisionModelWithProjection,
        t.CLIPVisionConfig(**picture(22, 2, 35, 17, 5, projection_dim=13)), {}),
    "clip-image-classification": (
        t.CLIPForImageClassification,
        t.CLIPConfig(vision_config=picture(20, 4, 33, 15, 5), **MOODS),
        {"pictures": {"image_processor_type": "CLIPImageProcessor", "crop_size": 15,
                      "size": {"shortest_edge": 15}}}),
    "siglip": (
        t.SiglipModel,
        t.SiglipConfig(
            text_config=caption(24, 3, 37, projection_size=20, vocab_size=tok.SIGLIP_SIZE),
            vision_config=picture(20, 4, 31, 18, 5)),
        {"tokenizer": "siglip",
         "pictures": {"image_processor_type": "SiglipImageProcessor",
                      "size": {"height": 18, "width": 18}}}),
    "siglip-text": (
        t.SiglipTextModel, t.SiglipTextConfig(**caption(18, 2, 29, projection_size=11)), {}),
    "siglip-vision": (
        t.SiglipVisionModel, t.SiglipVisionConfig(**picture(27, 3, 35, 21, 7)), {}),
    "siglip-vision-headless": (
        t.SiglipVisionModel,
        t.SiglipVisionConfig(**picture(20, 2, 29, 16, 4, vision_use_head=False)), {}),
    "siglip-image-classification": (
        t.SiglipForImageClassification,
        t.SiglipConfig(vision_config=picture(22, 2, 33, 15, 4), **MOODS), {}),
    # Pictures are smaller than what it was trained on.
    "dinov2-picture": (
        t.Dinov2Model, dinov2(t.Dinov2Config, 18, 2, 30, 6, mlp_ratio=2),
        {"pictures": {"image_processor_type": "BitImageProcessor", "crop_size": 20,
                      "size": {"shortest_edge": 23}}}),
    "vit-picture": (
        t.ViTForImageClassification,
        t.ViTConfig(**picture(22, 2, 33, 16, 4), **MOODS),
        {"pictures": {"image_processor_type": "ViTImageProcessor", "resample": 3,
                      "size": {"height": 16, "width": 16}}}),
    # Not square: its positions are those of a square, interpolated.
    "dinov2-wide": (
        t.Dinov2Model, dinov2(t.Dinov2Config, 20, 4, [13, 48], 6, mlp_ratio=2), {}),
    "dinov2-with-registers": (
        t.Dinov2WithRegistersModel,
        dinov2(t.Dinov2WithRegistersConfig, 24, 3, 20, 6, mlp_ratio=2, num_register_tokens=3), {}),
    "dinov2-with-registers-image-classification": (
        t.Dinov2WithRegistersForImageClassification,
        dinov2(t.Dinov2WithRegistersConfig, 18, 3, [45, 20], 5, use_swiglu_ffn=True, **MOODS), {}),
}


def captions(config, generator, lengths, width, masked):
    """Captions that end with their token, but for the last one; `inputs` of the forward call."""
    last = config.vocab_size - 2 if config.eos_token_id == 2 else config.eos_token_id
    ids = torch.randint(3, config.vocab_size - 3, (len(lengths), width), generator=generator)
    if not masked:
        return {"input_ids": ids}
    for row, length in enumerate(lengths[:-1]):
        ids[row, length - 1:] = last
    mask = torch.arange(width)[None] < torch.tensor(lengths)[:, None]
    return {"input_ids": ids, "attention_mask": mask.long()}


def inputs(config, generator, lengths, width, masked):
    """Inputs of a model of captions, of pictures, or of both: one picture less than captions."""
    given = {}
    if "Classification" not in config.architectures[0] and (
            hasattr(config, "text_config") or hasattr(config, "vocab_size")):
        given = captions(
            getattr(config, "text_config", config), generator, lengths, width, masked)
    config = getattr(config, "vision_config", config)
    if hasattr(config, "image_size"):
        size = config.image_size
        height, width = (size, size) if isinstance(size, int) else size
        shape = (len(lengths) - bool(given), config.num_channels, height, width)
        given["pixel_values"] = torch.randn(shape, generator=generator)
    return given
