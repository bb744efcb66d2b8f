"""The tiny sentence-transformers directories, and what sentence-transformers makes of texts.

`save_modules` writes the files beside the model as the hub has them, `record` the vectors that
`SentenceTransformer.encode` gives for each text alone (text.json). `pooling` in the third value
makes a directory one of these; further keys are

    normalize, max_seq_length, lowercase     what the modules do
    dense                                    layers (in, out, bias, activation) behind the pooling
    prompts, default_prompt_name             of config_sentence_transformers.json
    architectures                            what config.json names in the place of the model's class
"""

import json
import os

import torch
import transformers as t
from safetensors.torch import save_file

import tokenizers_for_fixtures as tok
from fixture_models import bert, distilbert, like_roberta, roberta, rotary, t5

MEAN = {"pooling_mode_mean_tokens": True}
LAST = {"pooling_mode_lasttoken": True}

FIXTURES = {
    "sentence-mpnet": (
        t.MPNetModel,
        like_roberta(t.MPNetConfig, 20, 4, 31, vocab=tok.BYTE_LEVEL_SIZE),
        {"tokenizer": "byte-level-roberta", "pooling": MEAN, "normalize": True,
         "max_seq_length": 61}),
    "sentence-mean": (
        t.BertModel, bert(27, 3, 41, vocab=tok.WORDPIECE_SIZE),
        {"tokenizer": "wordpiece", "pooling": MEAN, "normalize": True, "max_seq_length": 61}),
    "sentence-cls": (
        t.BertModel, bert(20, 4, 31, vocab=tok.WORDPIECE_SIZE),
        {"tokenizer": "wordpiece", "pooling": {"pooling_mode_cls_token": True},
         "normalize": True, "max_seq_length": 23}),
    "sentence-max": (
        t.DistilBertModel, distilbert(18, 3, 29, vocab=tok.WORDPIECE_SIZE),
        {"tokenizer": "wordpiece", "pooling": {"pooling_mode_max_tokens": True},
         "normalize": False, "max_seq_length": None}),
    "sentence-mean-sqrt-len": (
        t.RobertaModel, roberta(22, 2, 29, vocab=tok.BYTE_LEVEL_SIZE),
        {"tokenizer": "byte-level-roberta",
         "pooling": {"pooling_mode_mean_sqrt_len_tokens": True},
         "normalize": False, "max_seq_length": 37, "lowercase": True}),
    # As all-mpnet-base-v2 names a head that its file does not have; poolings that are concatenated,
    # without the prompt.
    "sentence-prompted": (
        t.MPNetModel,
        like_roberta(t.MPNetConfig, 16, 4, 27, vocab=tok.BYTE_LEVEL_SIZE),
        {"tokenizer": "byte-level-roberta", "architectures": ["MPNetForMaskedLM"],
         "pooling": {
             **MEAN, **LAST, "pooling_mode_mean_sqrt_len_tokens": True,
             "pooling_mode_weightedmean_tokens": True, "include_prompt": False},
         "dense": [(64, 11, True, "torch.nn.modules.activation.Tanh")],
         "normalize": False, "max_seq_length": 53,
         "prompts": {"search": "The river: ", "none": ""}, "default_prompt_name": "search"}),
    "sentence-t5": (
        t.T5EncoderModel, t5(t.T5Config, 20, 4, 6, 29, vocab_size=tok.BYTE_LEVEL_SIZE),
        {"tokenizer": "byte-level-roberta", "pooling": MEAN,
         "dense": [(20, 24, False, "torch.nn.modules.linear.Identity")], "normalize": True,
         "max_seq_length": 47}),
    # As Qwen3-Embedding: the file holds the body alone, whatever class the configuration names.
    "sentence-qwen3": (
        t.Qwen3Model,
        rotary(t.Qwen3Config, 24, 4, 2, 37, head_dim=10, vocab=tok.BYTE_LEVEL_SIZE),
        {"tokenizer": "byte-level-qwen", "architectures": ["Qwen3ForCausalLM"], "pooling": LAST,
         "normalize": True, "max_seq_length": None, "store": torch.bfloat16,
         "prompts": {
             "query": "Instruct: Find where the river rises\nQuery:", "document": ""}}),
    # As gte-Qwen2: tokens see each other in both directions, which transformers reads from 5.2 on.
    "sentence-qwen2": (
        t.Qwen2Model,
        rotary(t.Qwen2Config, 24, 4, 2, 37, vocab=tok.BYTE_LEVEL_SIZE, is_causal=False),
        {"tokenizer": "byte-level-qwen", "pooling": LAST, "normalize": True,
         "max_seq_length": 43}),
    # As EmbeddingGemma: tokens see each other in both directions, two layers stand behind the mean.
    "sentence-gemma3": (
        t.Gemma3TextModel,
        rotary(t.Gemma3TextConfig, 24, 4, 2, 37, layers=3, head_dim=8, sliding_window=12,
               layer_types=["sliding_attention", "full_attention", "sliding_attention"],
               query_pre_attn_scalar=11, use_bidirectional_attention=True,
               vocab=tok.PIECES_SIZE, pad_token_id=0, eos_token_id=1, bos_token_id=2),
        {"tokenizer": "pieces-gemma", "pooling": MEAN,
         "dense": [(24, 40, False, "torch.nn.modules.linear.Identity"),
                   (40, 24, False, "torch.nn.modules.linear.Identity")],
         "normalize": True, "max_seq_length": 71,
         "prompts": {
             "query": "task: search result | query: ", "document": "title: none | text: "}}),
    # As e5-mistral: the padding token is the end token.
    "sentence-mistral": (
        t.MistralModel,
        rotary(t.MistralConfig, 24, 4, 2, 37, head_dim=10, sliding_window=29,
               vocab=tok.PIECES_SIZE, eos_token_id=1, bos_token_id=2),
        {"tokenizer": "pieces-llama", "pooling": LAST, "normalize": True, "max_seq_length": 59,
         "prompts": {"web_search_query": "Instruct: Find where the river rises\nQuery: "}}),
}


def save_modules(directory, config, more):
    dense = more.get("dense", [])
    kinds = ["Transformer", "Pooling"] + ["Dense"] * len(dense)
    kinds += ["Normalize"] if more["normalize"] else []
    modules = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "",
         "type": f"sentence_transformers.models.{kind}"} for i, kind in enumerate(kinds)]
    write(directory, "modules.json", modules)
    write(directory, "1_Pooling/config.json", {
        "word_embedding_dimension": config.hidden_size,
        "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False,
        **more["pooling"]})
    generator = torch.Generator().manual_seed(len(dense))
    for number, (inputs, outputs, bias, activation) in enumerate(dense, 2):
        write(directory, f"{number}_Dense/config.json", {
            "in_features": inputs, "out_features": outputs, "bias": bias,
            "activation_function": activation})
        noise = torch.randn(outputs, inputs, generator=generator)
        weights = {"linear.weight": noise / inputs ** 0.5}
        if bias:
            weights["linear.bias"] = 0.3 * torch.randn(outputs, generator=generator)
        save_file(
            weights, os.path.join(directory, f"{number}_Dense", "model.safetensors"),
            metadata={"format": "pt"})
    # Qwen3-Embedding has no such file.
    if more["max_seq_length"] or more.get("lowercase") or "prompts" not in more:
        write(directory, "sentence_bert_config.json", {
            "max_seq_length": more["max_seq_length"],
            "do_lower_case": more.get("lowercase", False)})
    if "prompts" in more:
        write(directory, "config_sentence_transformers.json", {
            "prompts": more["prompts"],
            "default_prompt_name": more.get("default_prompt_name"),
            "similarity_fn_name": "cosine"})
    if "architectures" in more:
        path = os.path.join(directory, "config.json")
        with open(path) as file:
            value = {**json.load(file), "architectures": more["architectures"]}
        write(directory, "config.json", value)


def write(directory, name, value):
    path = os.path.join(directory, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def record(directory, more, texts, short):
    """`short` takes a float; the result is for text.json."""
    from sentence_transformers import SentenceTransformer
    from transformers.models.qwen2 import modeling_qwen2
    model = SentenceTransformer(
        directory, device="cpu",
        model_kwargs={"attn_implementation": "eager", "dtype": torch.float32})
    model.eval()
    if not getattr(model[0].auto_model.config, "is_causal", True):
        # transformers 4.57 does not read it; without a mask a text without padding sees all of itself.
        modeling_qwen2.create_causal_mask = lambda **_: None

    def recorded(text, name=None, **how):
        vector = model.encode(text, prompt_name=name, **how)
        prompt = model.prompts.get(name or model.default_prompt_name, "")
        ids = model.tokenize([prompt + text])["input_ids"][0].tolist()
        named = {"prompt_name": name} if name else {}
        return {"text": text, **named, "ids": ids, "vector": [short(x) for x in vector]}

    result = {"sentences": [recorded(text) for text in texts]}
    if "prompts" in more:
        result["prompted"] = [
            recorded(text, name) for name in more["prompts"] for text in texts]
        result["cut"] = [
            recorded(text, truncate_dim=7, normalize_embeddings=True) for text in texts]
    return result
