"""Trains the forecaster of this directory on the simulated river of `simulation.py`.

    python3 train.py OUTPUT_DIRECTORY [MINUTES]

Needs torch, transformers and numpy; one thread. 60 years are simulated: 45 to train on, 5 to choose
the ridge's strength, 10 held out. The forecaster sees the run-off up to today, and rain and
temperature up to the horizon, as if the weather forecast were perfect; the linear baseline (ridge
regression, one for each day ahead) sees exactly the same numbers. Writes the model in f16, a piece of
the held-out years as CSV, and `held-out.json` with the scores.
"""

import datetime
import json
import os
import sys
import time

import numpy as np
import torch
import transformers

from simulation import DAYS, simulate

SEED = 1
TRAIN, VALIDATE, HELD_OUT = 45, 5, 10
CONTEXT, HORIZON, LAGS = 48, 10, [1, 2, 3, 5, 8, 12]
PAST = CONTEXT + max(LAGS)
# What the weather is divided by in training; the division moves into the weights at the end.
UNITS = torch.tensor([10.0, 10.0])


def windows(rows, starts):
    """For forecasts that begin at `starts`: past run-off, past and future weather, future run-off."""
    past = starts[:, None] - PAST + np.arange(PAST)[None]
    future = starts[:, None] + np.arange(HORIZON)[None]
    return rows[past, 2], rows[past, :2], rows[future, :2], rows[future, 2]


def batch_of(rows, starts, units):
    flow, weather, coming, target = (torch.from_numpy(x) for x in windows(rows, starts))
    return dict(
        past_values=flow, past_time_features=weather / units, future_time_features=coming / units,
        past_observed_mask=torch.ones_like(flow)), target


def train(model, rows, minutes):
    """Adam over the given time with warm-up and a cosine."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0, weight_decay=0.02)
    chance, start, step = np.random.default_rng(SEED), time.time(), 0
    model.train()
    while (done := (time.time() - start) / (60 * minutes)) < 1:
        rate = 2e-3 * min(1, (step + 1) / 200) * (0.02 + 0.98 * (1 + np.cos(np.pi * done)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate
        inputs, target = batch_of(rows, chance.integers(PAST, TRAIN * DAYS - HORIZON, 96), UNITS)
        loss = model(**inputs, future_values=target).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 300 == 0:
            print(f"{step} {time.time() - start:.0f} s, loss {loss.item():.4f}", flush=True)
    model.eval()
    return step


def forecast(model, rows, starts):
    """The mean of the samples for each start and day."""
    means = []
    for at in range(0, len(starts), 16):
        inputs, _ = batch_of(rows, starts[at:at + 16], torch.ones(2))
        means.append(model.generate(**inputs).sequences.mean(1).numpy())
    return np.concatenate(means)


def linear(rows, starts):
    flow, weather, coming, target = windows(rows, starts)
    count = len(starts)
    return np.concatenate([
        np.ones((count, 1)), flow, weather.reshape(count, -1), coming.reshape(count, -1)], 1
    ).astype(np.float64), target


def ridge(rows, starts):
    """Ridge regression whose strength did best on the years for that."""
    x, y = linear(rows, np.arange(PAST, TRAIN * DAYS - HORIZON))
    v, w = linear(rows, np.arange(TRAIN * DAYS, (TRAIN + VALIDATE) * DAYS - HORIZON))
    scale = x.std(0)
    scale[0] = 1
    x, v = x / scale, v / scale
    best = min((
        (np.mean((v @ (weights := np.linalg.solve(
            x.T @ x + strength * np.diag([0] + [1] * (x.shape[1] - 1)), x.T @ y)) - w) ** 2),
         strength, weights)
        for strength in (1e-3, 1.0, 10.0, 100.0, 1e3, 1e4)), key=lambda found: found[0])
    print("ridge strength", best[1])
    return (linear(rows, starts)[0] / scale) @ best[2]


def scores(name, predicted, target):
    """Nash-Sutcliffe efficiency and mean absolute error, over all days ahead, and for some."""
    def efficiency(p, t):
        return float(1 - ((p - t) ** 2).sum() / ((t - target.mean()) ** 2).sum())

    result = {
        "nse": efficiency(predicted, target), "mae": float(np.abs(predicted - target).mean()),
        **{f"nse_day_{d}": efficiency(predicted[:, d - 1], target[:, d - 1]) for d in (1, 3, 10)}}
    print(name, {key: round(value, 4) for key, value in result.items()}, flush=True)
    return result


def write_sample(rows, path):
    """The first time in the held-out years, from spring on, that run-off rises by 8 mm in the ten
    days to come: what the model sees of it, and the weather of these days."""
    start = (TRAIN + VALIDATE) * DAYS + 80
    while rows[start:start + HORIZON, 2].max() - rows[start - 1, 2] < 8:
        start += 1
    first = datetime.date(2058, 1, 1) + datetime.timedelta(start % DAYS - PAST - 20)
    with open(path, "w") as file:
        file.write("date,rain,temperature,runoff\n")
        for place in range(start - PAST - 20, start + HORIZON):
            rain, temperature, flow = rows[place]
            known = f"{flow:.3f}" if place < start else ""
            date = first + datetime.timedelta(place - start + PAST + 20)
            file.write(f"{date},{rain:.1f},{temperature:.1f},{known}\n")
    print("what followed the sample:", [round(float(q), 2) for q in rows[start:start + HORIZON, 2]])


def main():
    output, minutes = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 10
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    rows = np.array(simulate(TRAIN + VALIDATE + HELD_OUT, SEED), np.float32)
    print("mean", rows.mean(0), "deviation", rows.std(0))
    config = transformers.TimeSeriesTransformerConfig(
        prediction_length=HORIZON, context_length=CONTEXT, lags_sequence=LAGS, scaling="mean",
        num_time_features=0, num_dynamic_real_features=2, d_model=48, encoder_layers=2,
        decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=96,
        decoder_ffn_dim=96, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0,
        encoder_layerdrop=0.0, decoder_layerdrop=0.0, num_parallel_samples=100)
    model = transformers.TimeSeriesTransformerForPrediction(config)
    print(model.num_parameters(), "parameters")
    steps = train(model, rows, minutes)
    write_sample(rows, os.path.join(os.path.dirname(__file__), "river.csv"))
    held_out = np.arange((TRAIN + VALIDATE) * DAYS + PAST, len(rows) - HORIZON, 7)
    target = windows(rows, held_out)[3]
    with torch.no_grad():
        for part in model.model.encoder, model.model.decoder:
            part.value_embedding.value_projection.weight[:, -2:] /= UNITS
    model = model.half().float()
    results = {"steps": steps, "forecasts": len(held_out)}
    last = rows[held_out - 1, 2][:, None].repeat(HORIZON, 1)
    results["persistence"] = scores("persistence", last, target)
    results["ridge"] = scores("ridge", ridge(rows, held_out), target)
    results["forecaster"] = scores("forecaster", forecast(model, rows, held_out), target)
    model.half().save_pretrained(output)
    with open(os.path.join(output, "held-out.json"), "w") as file:
        json.dump(results, file, indent=2)


if __name__ == "__main__":
    main()
