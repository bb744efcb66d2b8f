"""BERT and its relatives, ALBERT, MPNet, ModernBERT and DeBERTa."""

import torch
import transformers as t

from draw import Case

HEADS = "Model", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM"


def head(r, name, config_kind, keys, others=()):
    """A class, and its configuration with labels if it has some."""
    part = r.one(*HEADS, *others)
    if "Classification" in part:
        keys = {**keys, **r.labels()}
    return getattr(t, name + part), config_kind(**keys)


def stack(r, **more):
    hidden, heads = r.heads()
    words = r.to(5, 120)
    return dict(
        vocab_size=words, hidden_size=hidden, num_attention_heads=heads,
        num_hidden_layers=r.to(1, 3), intermediate_size=r.to(1, 50),
        max_position_embeddings=r.length(), hidden_act=r.activation(),
        layer_norm_eps=r.epsilon(), pad_token_id=r.one(0, 1, r.to(0, words - 1)),
        **r.some(tie_word_embeddings=False), **more)


def places(r):
    return r.some(position_embedding_type=r.one("absolute", "relative_key", "relative_key_query"))


def texts(r, config, longest, types=0, positions=None, least=1):
    words = config.vocab_size
    cases = r.texts(words, longest, config.pad_token_id, least, types, positions)
    if longest > 2:
        # A mask with holes, and padding on the left.
        width = r.to(2, longest)
        mask = (torch.rand((2, width), generator=r.torch) > 0.3).long()
        mask[0, 0] = mask[1, -1] = 1
        cases["holes"] = {"input_ids": r.ids(words, 2, width), "attention_mask": mask}
    return cases


def bert(r):
    keys = stack(r, type_vocab_size=r.to(1, 4), **places(r))
    kind, config = head(r, "Bert", t.BertConfig, keys)
    longest = config.max_position_embeddings
    return Case(kind, config, texts(r, config, longest, config.type_vocab_size, longest))


def like_roberta(name):
    config_kind = getattr(t, name + "Config")

    def draw(r):
        keys = stack(r, type_vocab_size=r.to(1, 3), **places(r))
        keys["pad_token_id"] = r.to(0, min(6, keys["vocab_size"] - 1))
        keys["max_position_embeddings"] += keys["pad_token_id"] + 1
        kind, config = head(r, name, config_kind, keys)
        room = config.max_position_embeddings
        longest = room - config.pad_token_id - 1
        return Case(kind, config, texts(r, config, longest, config.type_vocab_size, room))
    return draw


def electra(r):
    keys = stack(r, type_vocab_size=r.to(1, 3), **places(r), **r.some(
        embedding_size=r.to(2, 30), summary_activation=r.one("gelu", "relu")))
    kind, config = head(r, "Electra", t.ElectraConfig, keys, ["ForPreTraining"])
    longest = config.max_position_embeddings
    return Case(kind, config, texts(r, config, longest, config.type_vocab_size, longest))


def distilbert(r):
    hidden, heads = r.heads(even=True)
    words = r.to(5, 120)
    keys = dict(
        vocab_size=words, dim=hidden, n_heads=heads, hidden_dim=r.to(1, 50),
        n_layers=r.to(1, 3), max_position_embeddings=r.length(), activation=r.activation(),
        pad_token_id=r.one(0, r.to(0, words - 1)),
        **r.some(sinusoidal_pos_embds=True, tie_word_embeddings=False))
    kind, config = head(r, "DistilBert", t.DistilBertConfig, keys)
    return Case(kind, config, texts(r, config, config.max_position_embeddings))


def albert(r):
    keys = stack(r, type_vocab_size=r.to(1, 3), embedding_size=r.to(2, 20), **places(r))
    keys["num_hidden_layers"] = r.to(1, 6)
    keys["num_hidden_groups"] = r.to(1, keys["num_hidden_layers"])
    if keys["num_hidden_groups"] * 2 <= keys["num_hidden_layers"]:
        keys |= r.some(inner_group_num=2)
    kind, config = head(r, "Albert", t.AlbertConfig, keys)
    longest = config.max_position_embeddings
    return Case(kind, config, texts(r, config, longest, config.type_vocab_size, longest))


def mpnet(r):
    keys = stack(r, **r.some(relative_attention_num_buckets=r.to(32, 40)))
    keys["pad_token_id"] = r.to(0, min(6, keys["vocab_size"] - 1))
    kind, config = head(r, "MPNet", t.MPNetConfig, keys)
    config.max_position_embeddings += 2
    room = config.max_position_embeddings
    return Case(kind, config, texts(r, config, room - 2, 0, room))


def modernbert(r):
    keys = stack(r)
    hidden, heads = r.heads(least=2, even=True)
    keys.update(hidden_size=hidden, num_attention_heads=heads, num_hidden_layers=r.to(1, 5))
    keys["hidden_activation"] = keys.pop("hidden_act")
    keys["norm_eps"] = keys.pop("layer_norm_eps")
    keys |= dict(
        reference_compile=False, local_attention=r.to(2, 30), bos_token_id=0, eos_token_id=0,
        cls_token_id=0, sep_token_id=0, **r.some(
            global_attn_every_n_layers=r.to(1, 4), norm_bias=True, attention_bias=True,
            mlp_bias=True, decoder_bias=False, classifier_bias=True,
            classifier_pooling=r.one("mean", "cls"), classifier_activation=r.activation(),
            global_rope_theta=r.one(1e3, 1e5), local_rope_theta=r.one(None, 5e2)))
    kind, config = head(r, "ModernBert", t.ModernBertConfig, keys)
    longest = config.max_position_embeddings
    cases = texts(r, config, longest, 0, longest, least=max(1, config.local_attention // 2))
    if "ForSequence" in kind.__name__ and config.classifier_pooling == "mean":
        cases.pop("holes", None)
    return Case(kind, config, cases)


def deberta_keys(r):
    keys = stack(r, **r.some(
        position_biased_input=False, type_vocab_size=r.to(1, 3), embedding_size=r.to(2, 20),
        pooler_hidden_act=r.activation(), legacy=False))
    keys["pos_att_type"] = r.one(
        ["c2p", "p2c"], ["c2p"], ["p2c"], [], None, "c2p|p2c", "p2c|c2p", "p2c", "none")
    keys["relative_attention"] = r.chance(0.8)
    if r.chance(0.5):
        keys["max_relative_positions"] = r.one(-1, r.to(1, 80))
    if r.chance(0.7):
        keys["max_position_embeddings"] = r.to(3, 24)
    return keys


def deberta_case(r, name, config_kind, keys):
    kind, config = head(r, name, config_kind, keys)
    longest = config.max_position_embeddings + (not config.position_biased_input) * r.to(0, 20)
    positions = config.max_position_embeddings if config.position_biased_input else 0
    case = Case(kind, config, texts(r, config, longest, config.type_vocab_size, positions))
    if "holes" in case.inputs and r.chance(0.5):
        # A classifier reads the row of the first token even where that is padding.
        case.inputs["holes"]["attention_mask"][:, 0] = 0
    case.arguments = ["--max-seq", str(longest)]
    return case


def deberta(r):
    return deberta_case(r, "Deberta", t.DebertaConfig, deberta_keys(r))


def deberta_v2(r):
    keys = deberta_keys(r)
    keys |= r.some(
        position_buckets=r.one(-1, r.to(2, 40)), share_att_key=True,
        norm_rel_ebd=r.one("layer_norm", "none", "layer_norm|x"))
    if r.chance(0.3):
        keys |= dict(
            conv_kernel_size=r.one(1, 3, 5), conv_act=r.activation(),
            conv_groups=r.one(1, keys["num_attention_heads"]))
    return deberta_case(r, "DebertaV2", t.DebertaV2Config, keys)


FAMILIES = {
    "bert": bert, "roberta": like_roberta("Roberta"), "xlm-roberta": like_roberta("XLMRoberta"),
    "camembert": like_roberta("Camembert"), "electra": electra, "distilbert": distilbert,
    "albert": albert, "mpnet": mpnet, "modernbert": modernbert, "deberta": deberta,
    "deberta-v2": deberta_v2}
