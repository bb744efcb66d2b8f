"""Whisper: its classes on spectra, and what it writes of sounds."""

import json
import math
import os

import numpy as np
import soundfile
import torch
import transformers as t

import record_transcription as recorded
from draw import Case


def keys(r):
    hidden, heads = r.heads(2, even=True)
    words = r.to(8, 120)
    return dict(
        vocab_size=words, d_model=hidden, encoder_layers=r.to(1, 3), decoder_layers=r.to(1, 3),
        encoder_attention_heads=heads, decoder_attention_heads=r.one(heads, 1, 2),
        encoder_ffn_dim=r.to(1, 40), decoder_ffn_dim=r.to(1, 40), num_mel_bins=r.to(1, 20),
        max_source_positions=r.to(1, 40), max_target_positions=r.to(2, 40),
        pad_token_id=r.to(0, words - 1), bos_token_id=0, eos_token_id=r.to(0, words - 1),
        decoder_start_token_id=r.to(0, words - 1), **r.some(
            activation_function=r.activation(), scale_embedding=True, tie_word_embeddings=False,
            begin_suppress_tokens=None, suppress_tokens=None))


def whisper(r):
    kind = r.one(
        t.WhisperModel, t.WhisperForConditionalGeneration, t.WhisperForAudioClassification)
    more = {}
    if kind is t.WhisperForAudioClassification:
        more = {**r.labels(), "classifier_proj_size": r.to(1, 20),
                "use_weighted_layer_sum": r.chance(0.5)}
    config = t.WhisperConfig(**keys(r), **more)
    frames = 2 * config.max_source_positions
    cases = {"one": {"input_features": r.normal(1, config.num_mel_bins, frames)},
             "three": {"input_features": r.normal(3, config.num_mel_bins, frames)}}
    if kind is not t.WhisperForAudioClassification:
        longest = config.max_target_positions
        for name, inputs in cases.items():
            width = r.one(1, 2, longest, r.to(1, longest))
            inputs["decoder_input_ids"] = r.ids(
                config.vocab_size, len(inputs["input_features"]), width)
    call = {} if kind is t.WhisperForAudioClassification else {"use_cache": False}
    return Case(kind, config, cases, call=call)


def sound(r):
    """Sines, noise and silence, one after the other."""
    pieces = []
    for _ in range(r.to(1, 4)):
        count = r.to(300, 16_000)
        time = np.arange(count) / recorded.RATE
        kind = r.one("sines", "noise", "chirp", "silence")
        if kind == "sines":
            pieces.append(sum(r.random() / 3 * np.sin(2 * math.pi * r.to(60, 7000) * time)
                              for _ in range(r.to(1, 4))))
        elif kind == "noise":
            pieces.append(r.random() * (2 * torch.rand(count, generator=r.torch).numpy() - 1))
        elif kind == "chirp":
            pieces.append(0.5 * np.sin(2 * math.pi * (r.to(50, 900) + 2000 * time) * time))
        else:
            pieces.append(np.zeros(count))
    return np.concatenate(pieces).astype(np.float32)


def transcription(r):
    """A model as `record_transcription` makes it, with settings of its own and some sounds."""
    multilingual, timed = r.chance(0.6), r.chance(0.3)
    mels = r.to(8, 30)
    net = recorded.model(r.getrandbits(30), mels, multilingual, **r.some(
        tie_word_embeddings=False, activation_function=r.activation(), scale_embedding=True))
    words = recorded.WORDS
    settings = r.some(
        repetition_penalty=r.one(0.9, 1.3), no_repeat_ngram_size=r.to(2, 4),
        begin_suppress_tokens=r.sample(range(words), 9), max_initial_timestamp_index=r.to(0, 60),
        suppress_tokens=r.sample(range(words), 40), return_timestamps=timed,
        length_penalty=r.one(0.5, 2.0), max_length=r.to(12, 61))
    if r.chance(0.2):
        settings["condition_on_prev_tokens"] = True
    if multilingual and r.chance(0.2):
        settings |= {"language": "de", "task": r.one("transcribe", "translate")}
    sounds = []
    for _ in range(4):
        how = {}
        if multilingual:
            how |= r.some(language=r.one("german", "fr", "<|en|>"), task=r.one("translate", "transcribe"))
        how |= r.some(timestamps=True, num_beams=r.to(2, 5), condition_on_prev_tokens=True)
        if r.chance(0.5):
            # "No speech" is one of some hundred tokens, and random ones are improbable.
            how |= dict(no_speech_threshold=r.one(1e-4, 1e-3, 3e-3, 0.02),
                        logprob_threshold=-r.one(0.5, 2.0, 3.0, 4.0))
        if r.chance(0.3):
            how["max_new_tokens"] = r.to(1, 25 if "condition_on_prev_tokens" in how else 40)
        sounds.append((sound(r), how))
    extractor = t.WhisperFeatureExtractor(feature_size=mels, chunk_length=1)

    def prepare(directory):
        recorded.tokenizer(directory, is_old=not multilingual)
        extractor.save_pretrained(directory)

    def check(model, library, directory, burin, program):
        model.generation_config = t.GenerationConfig.from_pretrained(directory)
        complaints = []
        for samples, how in sounds:
            features = extractor(
                samples, sampling_rate=recorded.RATE, truncation=False, padding="max_length",
                return_tensors="pt").input_features
            try:
                expected = recorded.transcribe(model, features, how)
                model.double()
                exact = recorded.transcribe(model, features.double(), how)
            except ValueError:
                continue  # what was said before leaves no room for as many tokens as are asked for
            finally:
                model.float()
            if expected != exact:
                continue
            path = os.path.join(directory, "sound.wav")
            soundfile.write(path, samples, recorded.RATE, subtype="FLOAT")
            arguments = []
            for key, value in how.items():
                arguments += ["--" + key.replace("_", "-")] + ([] if value is True else [str(value)])
            heard = json.loads(burin(["transcribe", library, path, "--json", *arguments], program))
            found = [(s["start"], s["end"], s["tokens"]) for s in heard["segments"]]
            same = len(found) == len(expected) and all(
                abs(a[0] - b[0]) + abs(a[1] - b[1]) < 1e-3 and a[2] == b[2]
                for a, b in zip(found, expected))
            if not same:
                complaints.append(f"transcribe {how}: {found} for {expected}")
        return complaints

    return Case(type(net), net.config, {}, generation=settings, model=net, prepare=prepare, check=check)


FAMILIES = {"whisper": whisper, "transcription": transcription}
