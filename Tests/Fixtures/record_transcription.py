"""Makes Tests/Fixtures/models/whisper-transcription* and whisper-conditioned: tiny Whispers, and
what `generate` writes.

    python3 Tests/Fixtures/record_transcription.py [NAME ...]

Needs torch, transformers 4.57, tokenizers and safetensors. A directory holds a model, its tokenizer
and its front end; `transcripts.json` lists sounds (formulas of `sound/record.py`),
options, and the segments that came out, the same in f32 and in f64. The weights are random, drawn
until a sound has several segments.
"""

import importlib
import json
import os
import shutil
import sys

import numpy as np
import torch
import transformers as t
from tokenizers import AddedToken

import record_models
import tokenizers_for_fixtures as tok

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "sound"))
sound = importlib.import_module("record")

RATE = 16_000
WORDS = 283
LANGUAGES = ["en", "de", "fr"]
END = WORDS
START = END + 1
TASKS = {"translate": START + 1 + len(LANGUAGES), "transcribe": START + 2 + len(LANGUAGES)}
NO_TIMESTAMPS = TASKS["transcribe"] + 4
STEPS = 50  # timestamps of a window of one second
VOCABULARY = 353

SOUNDS = {
    "long": sound.chirp(44_321, RATE, 80.0, 7000.0),
    "short": sound.sines(12_800, RATE, sound.TONES),
    "noise": sound.noise(9_000, 0.3),
    "gap": sound.chirp(18_000, RATE, 80.0, 5000.0) + [0.0] * 38_000 + sound.noise(15_000, 0.3),
    "silence": [0.0] * 8_000,
}

CASES = [
    ("long", {"timestamps": True}),
    ("long", {"language": "german"}),
    ("long", {"language": "fr", "task": "translate", "num_beams": 4, "timestamps": True}),
    ("long", {"timestamps": True, "max_new_tokens": 9, "language": "en"}),
    ("short", {}),
    ("short", {"task": "transcribe", "timestamps": True}),
    ("short", {"language": "<|fr|>", "num_beams": 3, "max_new_tokens": 20}),
    ("noise", {"language": "English", "task": "translate"}),
    ("noise", {"timestamps": True}),
]

SILENT = {"no_speech_threshold": 0.05, "logprob_threshold": -0.8}

# What `generation_config.json` says here is that windows are conditioned on the text so far.
CONDITIONED = [
    ("silence", SILENT),
    ("gap", SILENT),
    ("gap", {}),
    ("gap", {"condition_on_prev_tokens": False}),
    ("gap", {**SILENT, "condition_on_prev_tokens": False}),
    ("gap", {**SILENT, "num_beams": 3}),
    ("gap", {"num_beams": 3, "max_new_tokens": 12}),
    ("long", SILENT),
    ("noise", SILENT),
    ("silence", {**SILENT, "num_beams": 2, "timestamps": True}),
]


def special_tokens():
    tokens = ["<|endoftext|>", "<|startoftranscript|>"]
    tokens += [f"<|{code}|>" for code in LANGUAGES]
    return tokens + ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>",
                     "<|nospeech|>", "<|notimestamps|>"]


def tokenizer(directory, is_old):
    body = tok.byte_level([], WORDS)
    body.add_special_tokens(special_tokens())
    assert body.token_to_id("<|notimestamps|>") == NO_TIMESTAMPS
    if not is_old:
        body.add_tokens([AddedToken(f"<|{i * 0.02:.2f}|>", normalized=False)
                         for i in range(STEPS + 1)])
    t.WhisperTokenizerFast(tokenizer_object=body).save_pretrained(directory)
    keep = {"vocab.json", "merges.txt", "tokenizer_config.json"} if is_old else {
        "tokenizer.json", "tokenizer_config.json"}
    for name in os.listdir(directory):
        if name not in keep:
            os.remove(os.path.join(directory, name))


def model(seed, mels, multilingual, speaks=1, **more):
    torch.manual_seed(seed)
    config = t.WhisperConfig(**{
        "vocab_size": VOCABULARY, "d_model": 20, "encoder_layers": 1, "decoder_layers": 2,
        "encoder_attention_heads": 4, "decoder_attention_heads": 2, "encoder_ffn_dim": 31,
        "decoder_ffn_dim": 37, "num_mel_bins": mels, "max_source_positions": 50,
        "max_target_positions": 61, "pad_token_id": END, "bos_token_id": END,
        "eos_token_id": END, "decoder_start_token_id": START, "suppress_tokens": None,
        "begin_suppress_tokens": None, **more})
    result = t.WhisperForConditionalGeneration(config)
    generator = torch.Generator().manual_seed(seed)
    record_models.fixtures.randomise(result, generator)
    words = result.model.decoder.embed_tokens.weight.data
    words *= 1.8
    words[END] *= 1.5
    words[NO_TIMESTAMPS + 1:NO_TIMESTAMPS + 2 + STEPS] *= 0.9
    words[NO_TIMESTAMPS - 1] *= speaks
    result.tie_weights()
    specials = list(range(START, NO_TIMESTAMPS))
    settings = dict(
        bos_token_id=END, eos_token_id=END, pad_token_id=END, decoder_start_token_id=START,
        suppress_tokens=[1, 2, 7] + specials, begin_suppress_tokens=[220, END],
        no_timestamps_token_id=NO_TIMESTAMPS, max_length=61, return_timestamps=False,
        is_multilingual=multilingual)
    if multilingual:
        settings.update(
            lang_to_id={f"<|{code}|>": START + 1 + i for i, code in enumerate(LANGUAGES)},
            task_to_id=TASKS, max_initial_timestamp_index=20)
    else:
        settings.update(forced_decoder_ids=[[1, NO_TIMESTAMPS]], repetition_penalty=1.2)
    result.generation_config = t.GenerationConfig(**settings)
    return result.eval()


def transcribe(model, features, options):
    how = {k: v for k, v in options.items() if k != "timestamps"}
    if "timestamps" in options or features.shape[-1] > 100:
        how["return_timestamps"] = True
    seeks = []

    def progress(place):
        # A window whose first segment ends where it begins would be transcribed for ever.
        if seeks[-1:] == [place[0, 0].item()]:
            raise ValueError("no progress")
        seeks.append(place[0, 0].item())

    out = model.generate(
        features, return_segments=True, temperature=0.0, monitor_progress=progress, **how)
    return [(float(s["start"]), float(s["end"]), s["tokens"].tolist())
            for s in out["segments"][0]]


def record(name, seed, mels, multilingual, cases, interest, generation={}, **more):
    if sys.argv[1:] and name not in sys.argv[1:]:
        return
    directory = os.path.join(record_models.ROOT, name)
    extractor = t.WhisperFeatureExtractor(feature_size=mels, chunk_length=1)
    features = {
        key: extractor(np.array(value, np.float32), sampling_rate=RATE, truncation=False,
                       padding="max_length", return_tensors="pt").input_features
        for key, value in SOUNDS.items()}
    for seed in range(seed, seed + 400):
        net = model(seed, mels, multilingual, **more)
        vars(net.generation_config).update(generation)
        found = []
        try:
            for key, options in cases:
                found.append(transcribe(net, features[key], options))
                if not interest(found):
                    break
        except ValueError:
            continue
        if not interest(found):
            continue
        exact = net.double()
        again = [transcribe(exact, features[s].double(), dict(o)) for s, o in cases]
        if found == again:
            break
    else:
        raise SystemExit(f"{name}: no seed gives certain segments")
    net.float()
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    tokenizer(directory, is_old=not multilingual)
    net.config.architectures = ["WhisperForConditionalGeneration"]
    net.save_pretrained(directory, safe_serialization=True)
    extractor.save_pretrained(directory)
    path = os.path.join(directory, "preprocessor_config.json")
    with open(path) as handle:
        value = json.load(handle)
    value.pop("mel_filters", None)
    record_models.write_json(path, value)
    words = (t.WhisperTokenizer if not multilingual else t.WhisperTokenizerFast).from_pretrained(
        directory)
    entries = []
    for (key, options), segments in zip(cases, found):
        whole = [token for _, _, tokens in segments for token in tokens]
        entries.append({
            "sound": key, "options": options,
            "text": words.decode(whole, skip_special_tokens=True),
            "segments": [{"start": a, "end": b, "tokens": tokens,
                          "text": words.decode(tokens, skip_special_tokens=True)}
                         for a, b, tokens in segments]})
    with open(os.path.join(directory, "transcripts.json"), "w") as handle:
        lines = (f"  {json.dumps(entry)}" for entry in entries)
        handle.write("[\n" + ",\n".join(lines) + "\n]\n")
    for file in os.listdir(directory):
        os.chmod(os.path.join(directory, file), 0o644)
    print(name, "seed", seed, [[len(s[2]) for s in case] for case in found], flush=True)


def varied(found):
    """Whether segments may differ in length, and something end by itself, as far as cases are known."""
    if len(found) < len(CASES):
        return True
    if any(len(case) < 2 for case in found[:2]):
        return False
    tokens = [token for case in found for _, _, part in case for token in part]
    lengths = {len(part) for case in found for _, _, part in case}
    return len(set(tokens)) > 30 and len(lengths) > 5


def conditioned(found):
    """Whether conditions change texts, and some windows are silent and others not, as far as cases are
    known."""
    counts = [len(case) for case in found] + [None] * len(CONDITIONED)
    silent, some, every, apart, fresh, searched = counts[:6]
    return not silent and some != 0 and (every is None or some < every) and (
        apart is None or found[2] != found[3]) and (
        fresh is None or 0 < fresh < apart and found[4] != found[1]) and searched != 0


def main():
    torch.set_num_threads(1)
    t.logging.set_verbosity_error()
    record("whisper-transcription", 1, 16, True, CASES, varied)
    record("whisper-transcription-english", 1, 11, False, [
        (s, {k: v for k, v in o.items() if k not in ("language", "task")}) for s, o in CASES], varied,
        tie_word_embeddings=False, activation_function="relu")
    record("whisper-conditioned", 1, 9, True, CONDITIONED, conditioned,
           {"condition_on_prev_tokens": True}, speaks=2.5)
    record_models.note_versions(
        ["whisper-transcription", "whisper-transcription-english", "whisper-conditioned"])


if __name__ == "__main__":
    main()
