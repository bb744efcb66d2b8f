"""The tiny tokenizers of the fixtures, made from the few lines below."""

import io
import os
import re
import tempfile
from collections import Counter

import sentencepiece
from tokenizers import (
    Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers)
import transformers as t

WORDPIECE_SIZE = 199
BYTE_LEVEL_SIZE = 283
CLIP_SIZE = 181
PIECES_SIZE = 149
SIGLIP_SIZE = 113

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
        tokenizer_object=tokenizer,
        model_max_length=getattr(config, "max_position_embeddings", 69) - 2)


def byte_level_gpt2(config):
    tokenizer = byte_level(["<|endoftext|>"], BYTE_LEVEL_SIZE)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return t.GPT2TokenizerFast(
        tokenizer_object=tokenizer, model_max_length=config.max_position_embeddings)


def byte_level_qwen(config):
    """As Qwen3-Embedding: the file's post-processor puts a token behind each text."""
    tokenizer = byte_level(["<|endoftext|>", "<|im_end|>"], BYTE_LEVEL_SIZE)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="$A:0 <|endoftext|>:0", pair="$A:0 <|endoftext|>:0 $B:1 <|endoftext|>:1",
            special_tokens=[("<|endoftext|>", 0)])])
    return t.Qwen2TokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>",
        padding_side="left", model_max_length=4 * config.max_position_embeddings)


def pieces(special):
    """BPE over words that begin with the space before them, as SentencePiece does."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", behavior="merged_with_next")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(
        vocab_size=PIECES_SIZE, special_tokens=special, show_progress=False))
    assert tokenizer.get_vocab_size() == PIECES_SIZE
    return tokenizer


def pieces_gemma(config):
    """The class puts a token before each text, and here, as in EmbeddingGemma, one behind it."""
    return t.GemmaTokenizerFast(
        tokenizer_object=pieces(["<pad>", "<eos>", "<bos>", "<unk>"]), add_bos_token=True,
        add_eos_token=True, padding_side="left")


def pieces_llama(config):
    return t.LlamaTokenizerFast(
        tokenizer_object=pieces(["<unk>", "</s>", "<s>"]), add_eos_token=True, pad_token="</s>")


def clip(config):
    tokenizer = Tokenizer(models.BPE(
        unk_token="<|endoftext|>", continuing_subword_prefix="", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(
            Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"),
            behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(
        vocab_size=CLIP_SIZE, special_tokens=["<|startoftext|>", "<|endoftext|>"],
        end_of_word_suffix="</w>", show_progress=False))
    tokenizer.post_processor = processors.RobertaProcessing(
        sep=("<|endoftext|>", 1), cls=("<|startoftext|>", 0), add_prefix_space=False,
        trim_offsets=False)
    return t.CLIPTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=config.text_config.max_position_embeddings)


def siglip(config):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_writer=model, vocab_size=SIGLIP_SIZE, pad_id=0,
        eos_id=1, unk_id=2, bos_id=-1, normalization_rule_name="identity", minloglevel=2,
        num_threads=1)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "spiece.model")
        with open(path, "wb") as file:
            file.write(model.getvalue())
        # As in SigLIP's own directories, no mask goes with the ids.
        tokenizer = t.SiglipTokenizer(
            path, model_max_length=64, model_input_names=["input_ids"])
        tokenizer.vocab_file = tokenizer.init_kwargs["vocab_file"] = "spiece.model"
        return tokenizer


KINDS = {
    "clip": clip,
    "siglip": siglip,
    "wordpiece": wordpiece,
    "byte-level-roberta": byte_level_roberta,
    "byte-level-gpt2": byte_level_gpt2,
    "byte-level-qwen": byte_level_qwen,
    "pieces-gemma": pieces_gemma,
    "pieces-llama": pieces_llama,
}
