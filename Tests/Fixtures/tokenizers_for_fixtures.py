"""The two tiny tokenizers of the fixtures, made from the few lines below."""

import re
from collections import Counter

from tokenizers import (
    Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers)
import transformers as t

WORDPIECE_SIZE = 199
BYTE_LEVEL_SIZE = 283

TEXT = """
The river rises in the mountains and reaches the sea after nine hundred kilometres.
Anna Berger lives in Vienna and works for a small museum near the river.
Rain fell on the roof all night, and in the morning the garden was green again.
Who lives in Vienna? Where does the river rise? When was the bridge built?
The bridge was built in 1873 by Peter Lang, an engineer from Hamburg.
A cat slept on the warm stone while the children played in the garden.
She was angry, then surprised, and at last full of joy.
The train from Paris to London takes a little more than two hours.
Bread, cheese and apples were on the table; nobody was hungry.
Mountains are high, valleys are low, and the sea is wide.
He said that the museum opens at nine and closes at five.
The children were surprised by the rain and ran into the house.
In winter the lake freezes, and people walk from one village to the other.
Maria Santos and Peter Lang met in Lisbon in the spring.
A good bridge is made of stone, steel or wood.
""".strip().split("\n")


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def wordpieces():
    """Letters, common endings, then common words: the library's trainer varies by run."""
    words = Counter(re.findall(r"\w+", " ".join(TEXT).lower()))
    letters = sorted(set("".join(words)))
    endings = Counter()
    for word, count in words.items():
        for length in 2, 3:
            if len(word) > length + 1:
                endings[word[-length:]] += count
    pieces = SPECIAL + list("!,.:;?-'") + letters + ["##" + letter for letter in letters]
    pieces += ["##" + ending for ending, _ in sorted(endings.items(), key=common)[:32]]
    whole = (word for word, _ in sorted(words.items(), key=common) if len(word) > 1)
    return (pieces + list(whole))[:WORDPIECE_SIZE]


def common(item):
    return -item[1], item[0]


def wordpiece(config):
    tokenizer = Tokenizer(models.WordPiece(
        {piece: i for i, piece in enumerate(wordpieces())}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(SPECIAL)
    assert tokenizer.get_vocab_size() == WORDPIECE_SIZE
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    kind = t.BertTokenizerFast if config.model_type == "bert" else t.DistilBertTokenizerFast
    return kind(
        tokenizer_object=tokenizer, model_max_length=config.max_position_embeddings,
        do_lower_case=True)


def byte_level(special, size):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    assert tokenizer.get_vocab_size() == size
    return tokenizer


def byte_level_roberta(config):
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = byte_level(special + ["<mask>"], BYTE_LEVEL_SIZE)
    tokenizer.post_processor = processors.RobertaProcessing(
        sep=("</s>", 2), cls=("<s>", 0), trim_offsets=True, add_prefix_space=False)
    # RoBERTa keeps two positions free: the last usable length is 65.
    return t.RobertaTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=config.max_position_embeddings - 2)


def byte_level_gpt2(config):
    tokenizer = byte_level(["<|endoftext|>"], BYTE_LEVEL_SIZE)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return t.GPT2TokenizerFast(
        tokenizer_object=tokenizer, model_max_length=config.max_position_embeddings)


KINDS = {
    "wordpiece": wordpiece,
    "byte-level-roberta": byte_level_roberta,
    "byte-level-gpt2": byte_level_gpt2,
}
