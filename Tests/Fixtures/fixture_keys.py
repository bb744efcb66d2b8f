"""More of the fixtures' tiny models: keys of configurations that few directories set, decoders of
encoder-decoders alone, and heads that have no fixture elsewhere.
"""

import torch
import transformers as t

from fixture_models import (
    ENTITIES, MOODS, albert, bart, bert, distilbert, electra, image, like_roberta, roberta, t5)
from fixture_sequences import ENDED, FROM_SOURCE, deberta


def causal(kind, hidden, heads, intermediate, **more):
    """The decoder of one of BART's relatives as a language model."""
    return bart(kind, hidden, heads, intermediate, **{"max_position_embeddings": 127, **more})


FIXTURES = {
    # Positions by distance, and activations that few configurations name
    "bert-relative-key": (
        t.BertModel,
        bert(24, 3, 31, position_embedding_type="relative_key", hidden_act="relu2"), {}),
    "bert-masked-lm-relative-key-query": (
        t.BertForMaskedLM,
        bert(21, 3, 37, vocab=59, position_embedding_type="relative_key_query",
             hidden_act="mish", tie_word_embeddings=False), {}),
    "roberta-token-classification-relative-key": (
        t.RobertaForTokenClassification,
        roberta(18, 2, 29, position_embedding_type="relative_key", hidden_act="laplace",
                **ENTITIES), {}),
    "xlm-roberta-relative-key-query": (
        t.XLMRobertaModel,
        like_roberta(t.XLMRobertaConfig, 20, 4, 31, type_vocab_size=1,
                     position_embedding_type="relative_key_query"), {}),
    "electra-sequence-classification-relative-key-query": (
        t.ElectraForSequenceClassification,
        electra(24, 4, 33, embedding_size=18, position_embedding_type="relative_key_query",
                hidden_act="leaky_relu", **MOODS), {}),
    "albert-relative-key": (
        t.AlbertModel,
        albert(20, 4, 27, num_hidden_groups=2, inner_group_num=2, hidden_act="relu6",
               position_embedding_type="relative_key"), {}),
    "distilbert-masked-lm-untied": (
        t.DistilBertForMaskedLM,
        distilbert(24, 3, 35, vocab=67, activation="gelu_10", tie_word_embeddings=False), {}),
    # More buckets than there are distances to share them: transformers turns back.
    "deberta-v2-many-buckets": (
        t.DebertaV2Model,
        deberta(t.DebertaV2Config, 20, 2, 29, position_buckets=32, max_relative_positions=9,
                hidden_act="linear"), {}),
    # A first token that is padding sees all tokens alike, and the classifier reads it.
    "deberta-first-is-padding": (
        t.DebertaForSequenceClassification, deberta(t.DebertaConfig, 20, 4, 31, **MOODS),
        {"holes": [[0, 1, 2, 20], [1], []]}),
    "deberta-v2-first-is-padding": (
        t.DebertaV2ForSequenceClassification,
        deberta(t.DebertaV2Config, 22, 2, 33, position_buckets=10, conv_kernel_size=3, **MOODS),
        {"holes": [[0, 9], [], [1, 5]]}),
    "deberta-token-classification": (
        t.DebertaForTokenClassification, deberta(t.DebertaConfig, 20, 4, 31, **ENTITIES), {}),
    "deberta-question-answering": (
        t.DebertaForQuestionAnswering,
        deberta(t.DebertaConfig, 21, 3, 29, relative_attention=False, pos_att_type=None), {}),
    # BART's relatives
    "bart-causal-lm": (
        t.BartForCausalLM, causal(t.BartConfig, 24, 4, 31, scale_embedding=True),
        {"generate": True}),
    "mbart-causal-lm": (
        t.MBartForCausalLM, causal(t.MBartConfig, 20, 2, 29, tie_word_embeddings=False),
        {"generate": True}),
    "marian-causal-lm": (
        t.MarianForCausalLM, causal(t.MarianConfig, 18, 3, 27, activation_function="relu"),
        {"generate": True}),
    "pegasus-causal-lm": (
        t.PegasusForCausalLM, causal(t.PegasusConfig, 22, 2, 33), {"generate": True}),
    "blenderbot-causal-lm": (
        t.BlenderbotForCausalLM, causal(t.BlenderbotConfig, 20, 4, 31), {"generate": True}),
    "blenderbot-small-causal-lm": (
        t.BlenderbotSmallForCausalLM, causal(t.BlenderbotSmallConfig, 18, 2, 29),
        {"generate": True}),
    "mbart": (t.MBartModel, bart(t.MBartConfig, 18, 3, 27, decoder_layers=1), {}),
    "marian": (t.MarianModel, bart(t.MarianConfig, 21, 3, 25), {}),
    "marian-lm-apart": (
        t.MarianMTModel,
        bart(t.MarianConfig, 20, 4, 29, share_encoder_decoder_embeddings=False,
             decoder_vocab_size=113), {"translate": True}),
    "pegasus": (t.PegasusModel, bart(t.PegasusConfig, 20, 4, 31), {}),
    # Files hold their sines too, rounded in half precision, and transformers reads them.
    "pegasus-bf16": (
        t.PegasusModel, bart(t.PegasusConfig, 18, 3, 23), {"store": torch.bfloat16}),
    "marian-f16": (t.MarianModel, bart(t.MarianConfig, 20, 2, 27), {"store": torch.float16}),
    "blenderbot": (t.BlenderbotModel, bart(t.BlenderbotConfig, 18, 2, 29), {}),
    "blenderbot-small": (t.BlenderbotSmallModel, bart(t.BlenderbotSmallConfig, 21, 3, 25), {}),
    # T5's relatives
    "t5-question-answering": (
        t.T5ForQuestionAnswering,
        t5(t.T5Config, 20, 2, 7, 29, feed_forward_proj="gated-relu6"), FROM_SOURCE),
    # Fewer distances than a decoder could tell apart by as many buckets.
    "t5-encoder-near": (
        t.T5EncoderModel, t5(t.T5Config, 18, 2, 7, 27, relative_attention_max_distance=12), {}),
    "mt5": (t.MT5Model, t5(t.MT5Config, 18, 3, 5, 27), {}),
    "mt5-encoder": (t.MT5EncoderModel, t5(t.MT5Config, 20, 2, 8, 31), {}),
    "mt5-sequence-classification": (
        t.MT5ForSequenceClassification, t5(t.MT5Config, 22, 2, 7, 29, **MOODS), ENDED),
    "mt5-token-classification": (
        t.MT5ForTokenClassification, t5(t.MT5Config, 18, 2, 9, 31, **ENTITIES), {}),
    "umt5": (t.UMT5Model, t5(t.UMT5Config, 20, 4, 6, 25), {}),
    "umt5-encoder": (t.UMT5EncoderModel, t5(t.UMT5Config, 18, 3, 7, 29), {}),
    "umt5-sequence-classification": (
        t.UMT5ForSequenceClassification, t5(t.UMT5Config, 20, 2, 6, 31, **MOODS), ENDED),
    "umt5-question-answering": (
        t.UMT5ForQuestionAnswering,
        t5(t.UMT5Config, 22, 2, 8, 27, relative_attention_num_buckets=16,
           relative_attention_max_distance=11), FROM_SOURCE),
    # Images
    "deit-image-classification": (
        t.DeiTForImageClassification,
        image(t.DeiTConfig, 20, 2, [15, 25], 5, intermediate_size=33, hidden_act="mish", **MOODS),
        {}),
}
