"""A river that does not exist: daily weather by chance, and the run-off of a catchment by rule.

Weather. The day is wet or dry by a Markov chain of two states (after a dry day 0.24 to 0.36 wet,
most in winter; after a wet day 0.3 more); the rain of a wet day is gamma distributed (shape 0.7,
mean 8 mm). The temperature is a yearly wave (mean 7 °C, amplitude 10 °C) and an AR(1) process (0.8 a
day, deviation 3 °C), 1.5 °C lower on wet days in summer.

Catchment, in the manner of HBV (Bergström, 1976). Below 0 °C precipitation is snow; above, 3 mm
of snow melt per degree and day. Of what reaches the ground, (soil / 150 mm)² runs off, and the soil
keeps the rest. Soil evaporates by temperature and by how wet it is. What runs off fills a quick
store, which hands 1.5 mm a day down to a slow one; they empty by 35 % and by 2 % a day. The gauge
reads their sum with an error of 4 %.
"""

import math
import random

DAYS = 365


def simulate(years, seed):
    """Rows `(rain in mm, temperature in °C, run-off in mm)`, one a day; the first two years, in
    which the stores fill, are left out."""
    chance, rows = random.Random(seed), []
    wet, warmth = False, 0.0
    snow, soil, quick, slow = 0.0, 80.0, 2.0, 20.0
    for day in range((years + 2) * DAYS):
        season = math.cos(2 * math.pi * (day % DAYS - 20) / DAYS)
        wet = chance.random() < 0.30 + 0.06 * season + (0.30 if wet else 0.0)
        rain = chance.gammavariate(0.7, 8 / 0.7) if wet else 0.0
        warmth = 0.8 * warmth + chance.gauss(0, 3 * math.sqrt(1 - 0.8 ** 2))
        temperature = 7 - 10 * season + warmth - (1.5 if wet and season < 0 else 0.0)

        snow += rain if temperature < 0 else 0.0
        melt = min(snow, 3 * max(0.0, temperature))
        snow -= melt
        water = melt + (rain if temperature >= 0 else 0.0)
        running = water * min(1.0, soil / 150) ** 2
        soil += water - running
        soil -= min(soil, 0.22 * max(0.0, temperature + 2) * min(1.0, soil / 90))
        quick += running
        down = min(quick, 1.5)
        quick, slow = quick - down, slow + down
        flow = 0.35 * quick + 0.02 * slow
        quick, slow = 0.65 * quick, 0.98 * slow
        if day >= 2 * DAYS:
            rows.append((rain, temperature, flow * math.exp(chance.gauss(0, 0.04))))
    return rows
