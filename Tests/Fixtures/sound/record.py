"""Makes Tests/Fixtures/sound: spectra that transformers computes, and WAV files of every kind.

    python3 Tests/Fixtures/sound/record.py

Needs numpy, safetensors, soundfile and transformers 4.57 with torch. The sounds are formulas that
the tests know too (`SyntheticSound`), so only what becomes of them is stored.
"""

import json
import math
import os

import numpy as np
import soundfile
import transformers as t
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))


def sines(count, rate, tones):
    """Sums of sines: pairs of a frequency in Hz and an amplitude."""
    return [sum(a * math.sin(2 * math.pi * f * i / rate) for f, a in tones)
            for i in range(count)]


def chirp(count, rate, first, last):
    """A sine whose frequency rises evenly."""
    length = count / rate
    return [0.5 * math.sin(2 * math.pi * (first * i / rate
                                          + (last - first) / (2 * length) * (i / rate) ** 2))
            for i in range(count)]


def noise(count, level):
    """Numerical Recipes' linear congruential generator."""
    state, samples = 1, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        samples.append(level * (state / 2**31 - 1))
    return samples


TONES = [(220.0, 0.4), (441.7, 0.2), (3000.0, 0.05), (7100.0, 0.01)]

# name: (samples, settings, every how many frames are kept)
SPECTRA = {
    "sines": (sines(20_800, 16_000, TONES), {"chunk_length": 2}, 7),
    "chirp-128": (chirp(16_000, 16_000, 60.0, 7900.0),
                  {"feature_size": 128, "chunk_length": 1}, 7),
    "noise-longer": (noise(17_777, 0.3), {"chunk_length": 1}, 11),
    "quiet": (noise(9_000, 1e-5), {"chunk_length": 1}, 11),
    "odd": (chirp(8_000, 8_000, 100.0, 3900.0),
            {"feature_size": 23, "sampling_rate": 8_000, "n_fft": 210, "hop_length": 75,
             "chunk_length": 2, "padding_value": 0.25}, 13),
    "half-minute": (noise(40_000, 0.2) + sines(200_000, 16_000, TONES), {}, 97),
}

# name: (format, kind of samples, channels, rate)
WAVES = {
    "u8": ("WAV", "PCM_U8", 1, 8_000), "i16": ("WAV", "PCM_16", 1, 16_000),
    "i16-stereo": ("WAV", "PCM_16", 2, 44_100), "i24-three": ("WAV", "PCM_24", 3, 48_000),
    "i32": ("WAV", "PCM_32", 1, 22_050), "f32": ("WAV", "FLOAT", 1, 16_000),
    "f64": ("WAV", "DOUBLE", 2, 16_000), "i16-extensible": ("WAVEX", "PCM_16", 2, 16_000),
    "f32-extensible": ("WAVEX", "FLOAT", 1, 16_000), "i24-rf64": ("RF64", "PCM_24", 1, 16_000),
}


def main():
    tensors, settings = {}, {}
    for name, (samples, options, step) in SPECTRA.items():
        extractor = t.WhisperFeatureExtractor(**options)
        features = extractor(
            np.array(samples, np.float32), sampling_rate=extractor.sampling_rate,
            truncation=False, padding="max_length", return_tensors="np").input_features[0]
        tensors[name] = np.ascontiguousarray(features[:, ::step].astype(np.float32))
        settings[name] = {
            "settings": {k: v for k, v in extractor.to_dict().items() if k != "mel_filters"},
            "frames": features.shape[1], "step": step}
    save_file(tensors, os.path.join(HERE, "spectra.safetensors"))
    with open(os.path.join(HERE, "spectra.json"), "w") as handle:
        lines = (f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in settings.items())
        handle.write("{\n" + ",\n".join(lines) + "\n}\n")
    for name, (form, kind, channels, rate) in WAVES.items():
        columns = [sines(61, rate, [(300.0 * (c + 1), 0.5)]) for c in range(channels)]
        path = os.path.join(HERE, name + ".wav")
        soundfile.write(path, np.array(columns).T, rate, subtype=kind, format=form)
        back, _ = soundfile.read(path, dtype="float64", always_2d=True)
        tensors[name] = back.mean(axis=1).astype(np.float32)
    save_file(
        {n: v for n, v in tensors.items() if n in WAVES}, os.path.join(HERE, "waves.safetensors"))


if __name__ == "__main__":
    main()
