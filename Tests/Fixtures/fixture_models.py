"""The tiny models of the fixtures: what each directory holds, and how its weights are drawn.

Sizes are odd on purpose (prime vocabularies, head widths such as 9 or 11, 67 positions), and the
weights are large and nowhere zero, so that a wrong mask, a swapped bias or a missing table shows.
"""

import zlib

import torch
import transformers as t

import fixture_decoders
import fixture_pictures
import tokenizers_for_fixtures as tok


def sized(hidden, heads, intermediate, layers=2, **more):
    """The keys of BERT, RoBERTa and ELECTRA."""
    return dict(
        hidden_size=hidden, num_attention_heads=heads, intermediate_size=intermediate,
        num_hidden_layers=layers, max_position_embeddings=67, **more)


def bert(hidden=36, heads=3, intermediate=52, layers=2, vocab=101, **more):
    return t.BertConfig(**{
        "vocab_size": vocab, "type_vocab_size": 2, "pad_token_id": 0, "layer_norm_eps": 1e-12,
        **sized(hidden, heads, intermediate, layers), **more})


def roberta(hidden=27, heads=3, intermediate=41, layers=2, vocab=103, **more):
    return t.RobertaConfig(**{
        "vocab_size": vocab, "type_vocab_size": 1, "pad_token_id": 1, "bos_token_id": 0,
        "eos_token_id": 2, "layer_norm_eps": 1e-5,
        **sized(hidden, heads, intermediate, layers), **more})


def electra(hidden=28, heads=4, intermediate=37, layers=2, vocab=107, **more):
    return t.ElectraConfig(**{
        "vocab_size": vocab, "type_vocab_size": 2, "pad_token_id": 0, "layer_norm_eps": 1e-12,
        "embedding_size": hidden, **sized(hidden, heads, intermediate, layers), **more})


def like_roberta(kind, hidden, heads, intermediate, vocab=103, **more):
    return kind(**{
        "vocab_size": vocab, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
        "layer_norm_eps": 1e-5, **sized(hidden, heads, intermediate), **more})


def albert(hidden, heads, intermediate, layers=4, vocab=109, **more):
    return t.AlbertConfig(**{
        "vocab_size": vocab, "type_vocab_size": 2, "pad_token_id": 0, "embedding_size": 15,
        **sized(hidden, heads, intermediate, layers), **more})


def modernbert(hidden, heads, intermediate, layers=4, vocab=109, **more):
    return t.ModernBertConfig(**{
        "vocab_size": vocab, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
        "cls_token_id": 1, "sep_token_id": 2, "local_attention": 10,
        **sized(hidden, heads, intermediate, layers), **more})


def distilbert(hidden=33, heads=3, intermediate=47, layers=2, vocab=109, **more):
    return t.DistilBertConfig(**{
        "vocab_size": vocab, "dim": hidden, "n_heads": heads, "hidden_dim": intermediate,
        "n_layers": layers, "max_position_embeddings": 67, "pad_token_id": 0, **more})


def gpt2(hidden=20, heads=4, layers=2, vocab=113, **more):
    return t.GPT2Config(**{
        "vocab_size": vocab, "n_positions": 103, "n_embd": hidden, "n_head": heads,
        "n_layer": layers, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None, **more})


def rotary(kind, hidden, heads, groups, intermediate, layers=2, vocab=113, **more):
    """The keys of Llama and its relatives."""
    return kind(**{
        "vocab_size": vocab, "hidden_size": hidden, "num_attention_heads": heads,
        **({"num_key_value_heads": groups} if groups else {}), "intermediate_size": intermediate,
        "num_hidden_layers": layers, "max_position_embeddings": 127, "bos_token_id": 0,
        "eos_token_id": 0, "pad_token_id": None, **more})


def opt(hidden, heads, intermediate, **more):
    return t.OPTConfig(**{
        "vocab_size": 113, "hidden_size": hidden, "num_attention_heads": heads,
        "ffn_dim": intermediate, "num_hidden_layers": 2, "max_position_embeddings": 127,
        "word_embed_proj_dim": hidden, "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1,
        **more})


def bloom(hidden, heads, **more):
    return t.BloomConfig(**{
        "vocab_size": 113, "hidden_size": hidden, "n_head": heads, "n_layer": 2,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3, **more})


def bart(kind, hidden, heads, intermediate, **more):
    return kind(**{
        "vocab_size": 113, "d_model": hidden, "encoder_layers": 2, "decoder_layers": 2,
        "encoder_attention_heads": heads, "decoder_attention_heads": heads,
        "encoder_ffn_dim": intermediate, "decoder_ffn_dim": intermediate + 4,
        "max_position_embeddings": 67, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
        "decoder_start_token_id": 2, "forced_eos_token_id": None, **more})


def t5(kind, hidden, heads, width, intermediate, **more):
    return kind(**{
        "vocab_size": 113, "d_model": hidden, "num_heads": heads, "d_kv": width,
        "d_ff": intermediate, "num_layers": 2, "pad_token_id": 0, "eos_token_id": 1,
        "decoder_start_token_id": 0, **more})


def whisper(hidden, heads, decoder_heads, mels, positions, **more):
    """`positions` of the encoder's output, twice as many frames."""
    return t.WhisperConfig(**{
        "vocab_size": 113, "d_model": hidden, "encoder_layers": 2, "decoder_layers": 2,
        "encoder_attention_heads": heads, "decoder_attention_heads": decoder_heads,
        "encoder_ffn_dim": 37, "decoder_ffn_dim": 41, "num_mel_bins": mels,
        "max_source_positions": positions, "max_target_positions": 67, "pad_token_id": 1,
        "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 3, **more})


def image(kind, hidden, heads, size, patch, layers=2, **more):
    """The keys of ViT, DeiT and DINOv2."""
    return kind(**{
        "hidden_size": hidden, "num_attention_heads": heads, "num_hidden_layers": layers,
        "image_size": size, "patch_size": patch, **more})


def labels(*names):
    return {
        "id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}


MOODS = labels("joy", "anger", "surprise")
ENTITIES = labels("O", "B-PER", "I-PER", "B-LOC", "I-LOC")

# name: (class, configuration, what else). `tokenizer` puts one beside the model (and fixes the
# vocabulary), `store` is the type in the file, `shard` splits the file, `rename` stores under the
# names of old checkpoints.
FIXTURES = {
    # BERT
    "bert": (t.BertModel, bert(), {}),
    # Heads of 32: attention in bf16.
    "bert-wide-heads": (t.BertModel, bert(64, 2, 83), {}),
    "bert-sequence-classification": (
        t.BertForSequenceClassification,
        bert(24, 4, 37, vocab=tok.WORDPIECE_SIZE, hidden_act="relu", layer_norm_eps=1e-7, **MOODS),
        {"tokenizer": "wordpiece"}),
    "bert-token-classification": (
        t.BertForTokenClassification,
        bert(21, 3, 41, vocab=tok.WORDPIECE_SIZE, hidden_act="gelu_new", **ENTITIES),
        {"tokenizer": "wordpiece"}),
    "bert-question-answering": (
        t.BertForQuestionAnswering,
        bert(24, 3, 31, vocab=tok.WORDPIECE_SIZE, hidden_act="silu"),
        {"tokenizer": "wordpiece"}),
    "bert-masked-lm": (
        t.BertForMaskedLM, bert(20, 4, 43, vocab=tok.WORDPIECE_SIZE, layer_norm_eps=1e-6),
        {"tokenizer": "wordpiece"}),
    # Names as in the checkpoints of 2018: gamma and beta, a stored buffer, another head's weights.
    "bert-old-names": (t.BertForMaskedLM, bert(20, 4, 43, vocab=59), {"rename": True}),
    "bert-sharded": (t.BertModel, bert(21, 3, 41, layers=3), {"shard": "16KB"}),
    "bert-bf16": (t.BertModel, bert(33, 3, 29), {"store": torch.bfloat16}),
    # RoBERTa
    "roberta": (t.RobertaModel, roberta(type_vocab_size=2), {}),
    "roberta-sequence-classification": (
        t.RobertaForSequenceClassification,
        roberta(25, 5, 37, hidden_act="silu", problem_type="multi_label_classification",
                **labels("sport", "news", "music", "food", "travel")), {}),
    "roberta-token-classification": (
        t.RobertaForTokenClassification,
        roberta(21, 3, 31, vocab=tok.BYTE_LEVEL_SIZE, hidden_act="relu", **ENTITIES),
        {"tokenizer": "byte-level-roberta"}),
    "roberta-question-answering": (
        t.RobertaForQuestionAnswering, roberta(20, 4, 43, hidden_act="gelu_new"), {}),
    "roberta-masked-lm": (t.RobertaForMaskedLM, roberta(28, 4, 29, vocab=71), {}),
    "roberta-masked-lm-untied": (
        t.RobertaForMaskedLM, roberta(22, 2, 29, vocab=61, tie_word_embeddings=False), {}),
    "xlm-roberta": (
        t.XLMRobertaModel, like_roberta(t.XLMRobertaConfig, 24, 3, 31, type_vocab_size=1), {}),
    "xlm-roberta-sequence-classification": (
        t.XLMRobertaForSequenceClassification,
        like_roberta(t.XLMRobertaConfig, 20, 4, 37, type_vocab_size=1, **MOODS), {}),
    "xlm-roberta-masked-lm": (
        t.XLMRobertaForMaskedLM,
        like_roberta(t.XLMRobertaConfig, 21, 3, 29, type_vocab_size=1), {}),
    "camembert-token-classification": (
        t.CamembertForTokenClassification,
        like_roberta(t.CamembertConfig, 18, 3, 35, type_vocab_size=1, **ENTITIES), {}),
    "camembert-question-answering": (
        t.CamembertForQuestionAnswering,
        like_roberta(t.CamembertConfig, 22, 2, 33, type_vocab_size=1), {}),
    "xlm-roberta-token-classification": (
        t.XLMRobertaForTokenClassification,
        like_roberta(t.XLMRobertaConfig, 22, 2, 33, type_vocab_size=1, **ENTITIES), {}),
    "xlm-roberta-question-answering": (
        t.XLMRobertaForQuestionAnswering,
        like_roberta(t.XLMRobertaConfig, 18, 3, 35, type_vocab_size=1), {}),
    "camembert": (
        t.CamembertModel, like_roberta(t.CamembertConfig, 20, 4, 29, type_vocab_size=1), {}),
    "camembert-sequence-classification": (
        t.CamembertForSequenceClassification,
        like_roberta(t.CamembertConfig, 21, 3, 31, type_vocab_size=1, **MOODS), {}),
    "camembert-masked-lm": (
        t.CamembertForMaskedLM,
        like_roberta(t.CamembertConfig, 24, 3, 37, type_vocab_size=1), {}),
    # ALBERT
    "albert": (t.AlbertModel, albert(24, 3, 37, num_hidden_groups=2, inner_group_num=2), {}),
    "albert-sequence-classification": (
        t.AlbertForSequenceClassification, albert(20, 4, 31, hidden_act="relu", **MOODS), {}),
    "albert-question-answering": (t.AlbertForQuestionAnswering, albert(22, 2, 35), {}),
    "albert-masked-lm": (t.AlbertForMaskedLM, albert(21, 3, 29, layers=3), {}),
    # 14 groups for 18 layers: where the group of a layer depends on how a quotient rounds.
    "albert-token-classification": (
        t.AlbertForTokenClassification,
        albert(12, 2, 13, layers=18, num_hidden_groups=14, vocab=53, **ENTITIES), {}),
    "albert-masked-lm-untied": (
        t.AlbertForMaskedLM, albert(20, 4, 27, tie_word_embeddings=False), {}),
    # MPNet
    "mpnet": (
        t.MPNetModel,
        like_roberta(t.MPNetConfig, 24, 3, 31, relative_attention_num_buckets=32), {}),
    "mpnet-sequence-classification": (
        t.MPNetForSequenceClassification, like_roberta(t.MPNetConfig, 20, 4, 37, **MOODS), {}),
    "mpnet-token-classification": (
        t.MPNetForTokenClassification, like_roberta(t.MPNetConfig, 21, 3, 33, **ENTITIES), {}),
    "mpnet-masked-lm": (t.MPNetForMaskedLM, like_roberta(t.MPNetConfig, 22, 2, 29), {}),
    "mpnet-question-answering": (
        t.MPNetForQuestionAnswering, like_roberta(t.MPNetConfig, 18, 3, 35), {}),
    "mpnet-masked-lm-untied": (
        t.MPNetForMaskedLM,
        like_roberta(t.MPNetConfig, 20, 4, 31, tie_word_embeddings=False), {}),
    # ModernBERT
    "modernbert": (t.ModernBertModel, modernbert(24, 3, 31), {}),
    "modernbert-sequence-classification": (
        t.ModernBertForSequenceClassification,
        modernbert(20, 2, 37, classifier_pooling="mean", classifier_bias=True, norm_bias=True,
                   **MOODS), {}),
    "modernbert-token-classification": (
        t.ModernBertForTokenClassification,
        modernbert(24, 2, 33, attention_bias=True, mlp_bias=True, **ENTITIES), {}),
    "modernbert-masked-lm": (
        t.ModernBertForMaskedLM,
        modernbert(24, 4, 29, global_attn_every_n_layers=2, local_rope_theta=None), {}),
    "modernbert-question-answering": (
        t.ModernBertForQuestionAnswering,
        modernbert(24, 3, 35, rope_scaling={"rope_type": "linear", "factor": 3.0}), {}),
    "modernbert-masked-lm-untied": (
        t.ModernBertForMaskedLM,
        modernbert(20, 2, 27, tie_word_embeddings=False, decoder_bias=False), {}),
    # DistilBERT
    "distilbert": (t.DistilBertModel, distilbert(27, 3, 37), {}),
    "distilbert-sequence-classification": (
        t.DistilBertForSequenceClassification,
        distilbert(20, 5, 41, activation="relu", problem_type="regression", num_labels=1), {}),
    "distilbert-token-classification": (
        t.DistilBertForTokenClassification, distilbert(28, 4, 37, **ENTITIES), {}),
    "distilbert-question-answering": (
        t.DistilBertForQuestionAnswering,
        distilbert(24, 2, 31, activation="gelu_new", sinusoidal_pos_embds=True), {}),
    "distilbert-masked-lm": (t.DistilBertForMaskedLM, distilbert(27, 3, 29, vocab=67), {}),
    "distilbert-f16": (t.DistilBertModel, distilbert(20, 4, 29), {"store": torch.float16}),
    # ELECTRA
    "electra": (t.ElectraModel, electra(embedding_size=20), {}),
    "electra-sequence-classification": (
        t.ElectraForSequenceClassification,
        electra(30, 3, 41, embedding_size=16, summary_activation="gelu",
                **labels("one", "two", "three", "four", "five")), {}),
    "electra-token-classification": (
        t.ElectraForTokenClassification, electra(21, 3, 31, hidden_act="gelu_new", **ENTITIES),
        {}),
    "electra-question-answering": (
        t.ElectraForQuestionAnswering, electra(24, 4, 43, embedding_size=18), {}),
    "electra-masked-lm": (
        t.ElectraForMaskedLM, electra(25, 5, 29, vocab=73, embedding_size=21), {}),
    "electra-pre-training": (
        t.ElectraForPreTraining, electra(28, 2, 37, hidden_act="relu", embedding_size=22), {}),
    # GPT-2
    "gpt2": (t.GPT2Model, gpt2(), {}),
    "gpt2-lm": (
        t.GPT2LMHeadModel, gpt2(20, 4, vocab=tok.BYTE_LEVEL_SIZE),
        {"tokenizer": "byte-level-gpt2", "generate": True}),
    "gpt2-lm-scaled": (
        t.GPT2LMHeadModel,
        gpt2(18, 3, layers=3, n_inner=37, activation_function="gelu_new", layer_norm_epsilon=1e-6,
             scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True),
        {"generate": True}),
    "gpt2-lm-unscaled": (
        t.GPT2LMHeadModel,
        gpt2(21, 3, n_inner=29, activation_function="relu", scale_attn_weights=False,
             tie_word_embeddings=False),
        {"generate": True}),
    "gpt2-sequence-classification": (
        t.GPT2ForSequenceClassification, gpt2(20, 4, pad_token_id=5, **MOODS), {}),
    # Llama and its relatives
    "llama": (t.LlamaModel, rotary(t.LlamaConfig, 24, 4, 2, 37), {}),
    "llama-lm": (
        t.LlamaForCausalLM,
        rotary(t.LlamaConfig, 24, 6, 2, 31, layers=3, head_dim=10, attention_bias=True,
               mlp_bias=True, rms_norm_eps=1e-5,
               rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                             "high_freq_factor": 4.0, "original_max_position_embeddings": 32}),
        {"generate": True}),
    "llama-lm-tied": (
        t.LlamaForCausalLM,
        rotary(t.LlamaConfig, 24, 4, 1, 43, tie_word_embeddings=True,
               hidden_act="gelu_pytorch_tanh",
               rope_scaling={"type": "linear", "factor": 2.0}),
        {"generate": True}),
    "llama-lm-yarn": (
        t.LlamaForCausalLM,
        rotary(t.LlamaConfig, 32, 2, 2, 29, rope_theta=1000.0,
               rope_scaling={"rope_type": "yarn", "factor": 4.0,
                             "original_max_position_embeddings": 32}), {"generate": True}),
    "llama-sequence-classification": (
        t.LlamaForSequenceClassification,
        rotary(t.LlamaConfig, 24, 4, 2, 37, **{**MOODS, "pad_token_id": 5}), {}),
    "llama-token-classification": (
        t.LlamaForTokenClassification,
        rotary(t.LlamaConfig, 24, 2, 1, 37,
               rope_scaling={"rope_type": "dynamic", "factor": 2.0}, **ENTITIES), {}),
    "mistral-lm": (
        t.MistralForCausalLM,
        rotary(t.MistralConfig, 30, 6, 3, 37, head_dim=8, sliding_window=7), {"generate": True}),
    "qwen2-lm": (
        t.Qwen2ForCausalLM,
        rotary(t.Qwen2Config, 24, 4, 2, 41, layers=3, use_sliding_window=True, sliding_window=5,
               max_window_layers=1, tie_word_embeddings=True), {"generate": True}),
    "qwen3-lm": (
        t.Qwen3ForCausalLM,
        rotary(t.Qwen3Config, 26, 4, 2, 35, head_dim=12, attention_bias=True), {"generate": True}),
    "phi3-lm": (
        t.Phi3ForCausalLM,
        rotary(t.Phi3Config, 32, 4, 2, 37, sliding_window=11, partial_rotary_factor=0.75),
        {"generate": True}),
    "phi3-lm-long": (
        t.Phi3ForCausalLM,
        rotary(t.Phi3Config, 32, 2, 2, 29, original_max_position_embeddings=13,
               rope_scaling={"type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3] * 2,
                             "long_factor": [1.5, 2.0, 3.0, 5.0] * 2}), {"outgrows": True}),
    "gemma-lm": (
        t.GemmaForCausalLM, rotary(t.GemmaConfig, 22, 3, 1, 35, head_dim=8), {"generate": True}),
    "gemma2-lm": (
        t.Gemma2ForCausalLM,
        rotary(t.Gemma2Config, 26, 4, 2, 33, layers=3, head_dim=10, sliding_window=6,
               query_pre_attn_scalar=13, attn_logit_softcapping=5.0, final_logit_softcapping=8.0),
        {"generate": True}),
    "gemma3-lm": (
        t.Gemma3ForCausalLM,
        rotary(t.Gemma3TextConfig, 24, 4, 1, 39, layers=4, head_dim=6, sliding_window=5,
               sliding_window_pattern=3, query_pre_attn_scalar=9,
               rope_scaling={"rope_type": "linear", "factor": 8.0}), {"generate": True}),
    "granite-lm": (
        t.GraniteForCausalLM,
        rotary(t.GraniteConfig, 28, 2, 1, 41, embedding_multiplier=3.0, residual_multiplier=0.4,
               attention_multiplier=0.2, logits_scaling=2.0), {"generate": True}),
    "smollm3-lm": (
        t.SmolLM3ForCausalLM,
        rotary(t.SmolLM3Config, 24, 4, 2, 31, layers=4, no_rope_layer_interval=2), {"generate": True}),
    "olmo2-lm": (t.Olmo2ForCausalLM, rotary(t.Olmo2Config, 30, 5, 5, 37), {"generate": True}),
    "starcoder2-lm": (
        t.Starcoder2ForCausalLM,
        rotary(t.Starcoder2Config, 24, 6, 2, 43, sliding_window=9), {"generate": True}),
    "gpt2-token-classification": (t.GPT2ForTokenClassification, gpt2(20, 5, **ENTITIES), {}),
    "gpt2-question-answering": (t.GPT2ForQuestionAnswering, gpt2(16, 2), {}),
    # GPT-NeoX, Phi, StableLM, OPT, BLOOM
    "gpt-neox-lm": (
        t.GPTNeoXForCausalLM,
        rotary(t.GPTNeoXConfig, 32, 2, None, 37, rotary_pct=0.25, rotary_emb_base=5000),
        {"generate": True}),
    "gpt-neox-lm-serial": (
        t.GPTNeoXForCausalLM,
        rotary(t.GPTNeoXConfig, 24, 3, None, 41, rotary_pct=0.5, use_parallel_residual=False,
               attention_bias=False, hidden_act="gelu_fast"), {"generate": True}),
    "gpt-neox-token-classification": (
        t.GPTNeoXForTokenClassification,
        rotary(t.GPTNeoXConfig, 24, 3, None, 41, rotary_pct=1.0, **ENTITIES), {}),
    # A quarter of 12 elements is an odd number of them: transformers turns two pairs.
    "gpt-neox": (t.GPTNeoXModel, rotary(t.GPTNeoXConfig, 24, 2, None, 35), {}),
    "gpt-neox-lm-tied": (
        t.GPTNeoXForCausalLM,
        rotary(t.GPTNeoXConfig, 24, 3, None, 33, rotary_pct=0.5, tie_word_embeddings=True),
        {"generate": True}),
    "gpt-neox-sequence-classification": (
        t.GPTNeoXForSequenceClassification,
        rotary(t.GPTNeoXConfig, 24, 3, None, 41, rotary_pct=0.75, **{**MOODS, "pad_token_id": 5}),
        {}),
    "gpt-neox-question-answering": (
        t.GPTNeoXForQuestionAnswering, rotary(t.GPTNeoXConfig, 32, 4, None, 29, rotary_pct=0.5),
        {}),
    "phi": (t.PhiModel, rotary(t.PhiConfig, 32, 4, None, 29), {}),
    "phi-lm-wide": (
        t.PhiForCausalLM,
        rotary(t.PhiConfig, 24, 4, None, 35, head_dim=10, partial_rotary_factor=0.4), {}),
    "phi-sequence-classification": (
        t.PhiForSequenceClassification,
        rotary(t.PhiConfig, 24, 3, None, 35, **{**MOODS, "pad_token_id": 5}), {}),
    "phi-token-classification": (
        t.PhiForTokenClassification, rotary(t.PhiConfig, 24, 3, 1, 33, **ENTITIES), {}),
    "phi-lm": (
        t.PhiForCausalLM, rotary(t.PhiConfig, 32, 4, 2, 37, qk_layernorm=True), {"generate": True}),
    "stablelm-lm": (
        t.StableLmForCausalLM,
        rotary(t.StableLmConfig, 32, 4, 2, 37, partial_rotary_factor=0.5, use_qkv_bias=True),
        {"generate": True}),
    "stablelm-lm-parallel": (
        t.StableLmForCausalLM,
        rotary(t.StableLmConfig, 32, 4, 2, 37, qk_layernorm=True, use_parallel_residual=True,
               partial_rotary_factor=0.25), {"generate": True}),
    "stablelm": (t.StableLmModel, rotary(t.StableLmConfig, 32, 4, 1, 35), {}),
    "stablelm-sequence-classification": (
        t.StableLmForSequenceClassification,
        rotary(t.StableLmConfig, 32, 4, 4, 31, **{**MOODS, "pad_token_id": 5}), {}),
    "stablelm-token-classification": (
        t.StableLmForTokenClassification, rotary(t.StableLmConfig, 24, 3, 3, 33, **ENTITIES), {}),
    "opt": (t.OPTModel, opt(20, 4, 33, layer_norm_elementwise_affine=False), {}),
    "opt-question-answering": (
        t.OPTForQuestionAnswering, opt(22, 2, 35, _remove_final_layer_norm=True), {}),
    "opt-lm": (t.OPTForCausalLM, opt(24, 4, 43), {"generate": True}),
    "opt-lm-after": (
        t.OPTForCausalLM,
        opt(20, 5, 47, do_layer_norm_before=False, word_embed_proj_dim=12, enable_bias=False),
        {"generate": True}),
    "opt-sequence-classification": (t.OPTForSequenceClassification, opt(24, 2, 31, **MOODS), {}),
    "bloom": (t.BloomModel, bloom(22, 2), {}),
    "bloom-sequence-classification": (
        t.BloomForSequenceClassification, bloom(24, 6, **MOODS), {}),
    "bloom-question-answering": (t.BloomForQuestionAnswering, bloom(20, 5), {}),
    "bloom-lm": (t.BloomForCausalLM, bloom(24, 3), {"generate": True}),
    "bloom-token-classification": (
        t.BloomForTokenClassification, bloom(20, 4, **ENTITIES), {}),
    # Encoder-decoders
    "t5": (t.T5Model, t5(t.T5Config, 22, 3, 8, 37, num_decoder_layers=3), {}),
    "t5-encoder": (t.T5EncoderModel, t5(t.T5Config, 20, 4, 6, 31), {}),
    "t5-lm": (
        t.T5ForConditionalGeneration,
        t5(t.T5Config, 24, 4, 7, 41, relative_attention_num_buckets=8,
           relative_attention_max_distance=20), {"translate": True}),
    "mt5-lm": (
        t.MT5ForConditionalGeneration,
        t5(t.MT5Config, 26, 2, 9, 35, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
        {"translate": True}),
    "bart": (t.BartModel, bart(t.BartConfig, 21, 3, 37), {}),
    "bart-lm": (
        t.BartForConditionalGeneration, bart(t.BartConfig, 24, 4, 41, scale_embedding=True),
        {"translate": True}),
    "mbart-lm": (
        t.MBartForConditionalGeneration, bart(t.MBartConfig, 20, 2, 35), {"translate": True}),
    "marian-lm": (
        t.MarianMTModel,
        bart(t.MarianConfig, 18, 3, 33, activation_function="swish", scale_embedding=True),
        {"translate": True}),
    "pegasus-lm": (
        t.PegasusForConditionalGeneration,
        bart(t.PegasusConfig, 22, 2, 31, activation_function="relu"), {"translate": True}),
    # Images
    "vit": (
        t.ViTModel, image(t.ViTConfig, 20, 4, 17, 5, intermediate_size=31, hidden_act="gelu_new",
                          pooler_output_size=23), {}),
    "vit-image-classification": (
        t.ViTForImageClassification,
        image(t.ViTConfig, 27, 3, 21, 7, layers=3, intermediate_size=37, qkv_bias=False,
              num_channels=1, **MOODS), {}),
    "deit": (
        t.DeiTModel, image(t.DeiTConfig, 18, 3, 16, 4, intermediate_size=29), {}),
    "deit-image-classification-with-teacher": (
        t.DeiTForImageClassificationWithTeacher,
        image(t.DeiTConfig, 22, 2, 15, 5, intermediate_size=41, hidden_act="relu", **MOODS), {}),
    "dinov2": (
        t.Dinov2Model, image(t.Dinov2Config, 24, 4, 21, 7, mlp_ratio=2), {}),
    "dinov2-image-classification": (
        t.Dinov2ForImageClassification,
        image(t.Dinov2Config, 18, 3, 20, 5, mlp_ratio=3, use_swiglu_ffn=True, qkv_bias=False,
              **MOODS), {}),
    # Whisper
    "whisper": (
        t.WhisperModel, whisper(24, 3, 4, 11, 29, encoder_layers=3, activation_function="relu"),
        {}),
    "whisper-lm": (t.WhisperForConditionalGeneration, whisper(20, 4, 2, 13, 23), {}),
    "whisper-lm-untied": (
        t.WhisperForConditionalGeneration,
        whisper(18, 3, 2, 7, 31, tie_word_embeddings=False, scale_embedding=True,
                decoder_layers=3), {}),
    "whisper-audio-classification": (
        t.WhisperForAudioClassification,
        whisper(22, 2, 2, 9, 17, classifier_proj_size=13, **MOODS), {}),
    "whisper-audio-classification-weighted": (
        t.WhisperForAudioClassification,
        whisper(20, 5, 2, 8, 19, classifier_proj_size=15, use_weighted_layer_sum=True,
                encoder_layers=3, **MOODS), {}),
}

FIXTURES |= fixture_pictures.FIXTURES


FIXTURES |= fixture_decoders.fixtures(rotary)


def seed(name):
    return zlib.crc32(name.encode())


def randomise(model, generator):
    """Draws every parameter anew: matrices of deviation 0.3, biases 0.3, norm scales around one."""
    for name, parameter in model.named_parameters():
        part = name.lower()
        norm = "layernorm" in part or "layer_norm" in part or ".ln_" in part or part[:3] == "ln_"
        norm = norm or "norm" in part.rpartition(".")[0].rpartition(".")[2]
        if not parameter.requires_grad:
            continue  # sinusoidal positions, which are not learnt
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data = 1 + 0.3 * noise if norm and part.endswith("weight") else 0.3 * noise


def build(name):
    """The model of a fixture, with its random weights, in f32 and for evaluation."""
    kind, config, _ = FIXTURES[name]
    torch.manual_seed(seed(name))
    config.architectures = [kind.__name__]
    if getattr(config, "qk_layernorm", False) or not getattr(
            config, "layer_norm_elementwise_affine", True):
        # transformers 4.57 cannot initialise norms without a bias or a scale.
        with t.modeling_utils.no_init_weights():
            model = kind(config)
    else:
        model = kind(config)
    randomise(model, torch.Generator().manual_seed(seed(name)))
    return model.eval()
