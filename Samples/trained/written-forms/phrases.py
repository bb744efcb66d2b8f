"""Dates and quantities written out in English, German and French, made by rule.

`example(random)` gives a phrase, its ISO form, its language and its content: the date or the number
itself. Whoever splits by content never sees a date or a number of the other side, in any language.
"""

import calendar
import unicodedata

YEARS = (1100, 2099)
UNITS = ["kg", "g", "mg", "t", "km", "m", "cm", "mm", "l", "ml", "h", "min", "s", "°C", "%"]


# Whole numbers, 0 to 999,999.

ENGLISH = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
).split()
ENGLISH_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
GERMAN = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn"
    " sechzehn siebzehn achtzehn neunzehn"
).split()
GERMAN_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
FRENCH = (
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"
    " dix-sept dix-huit dix-neuf"
).split()
FRENCH_TENS = "vingt trente quarante cinquante soixante".split()


def english(n, random):
    """`n` in English words, with or without `and` after the hundreds."""
    if n < 20:
        return ENGLISH[n]
    if n < 100:
        tens = ENGLISH_TENS[n // 10 - 2]
        return f"{tens}-{ENGLISH[n % 10]}" if n % 10 else tens
    if n < 1000:
        link = random.choice([" and ", " "])
        rest = link + english(n % 100, random) if n % 100 else ""
        one = random.choice(["one", "a"]) if n < 200 else ENGLISH[n // 100]
        return f"{one} hundred{rest}"
    rest = n % 1000
    link = random.choice([" and ", " "]) if rest < 100 else " "
    thousands = f"{english(n // 1000, random)} thousand"
    return thousands + (link + english(rest, random) if rest else "")


def german(n, random, last="eins"):
    """`n` in German words; `last` is what a final one is called."""
    if n == 1:
        return last
    if n < 20:
        return GERMAN[n]
    if n < 100:
        tens = GERMAN_TENS[n // 10 - 2]
        return f"{GERMAN[n % 10]}und{tens}" if n % 10 else tens
    scale, name = (100, "hundert") if n < 1000 else (1000, "tausend")
    count, rest = divmod(n, scale)
    front = random.choice(["ein", ""]) if count == 1 else german(count, random, "ein")
    link = random.choice(["", "", "und"]) if 0 < rest < 100 else ""
    return front + name + (link + german(rest, random, last) if rest else "")


def french(n, random, last=True):
    """`n` in French words; Belgium's and Switzerland's tens too. `last`: nothing follows."""
    if n < 20:
        return FRENCH[n]
    if n < 100:
        tens, ones = divmod(n, 10)
        if tens in (7, 9) and random.random() < 0.8:
            if n == 71:
                return "soixante et onze"
            return ("soixante-" if tens == 7 else "quatre-vingt-") + FRENCH[ones + 10]
        if tens == 8 and random.random() < 0.9:
            if ones == 0:
                return "quatre-vingts" if last else "quatre-vingt"
            return "quatre-vingt-" + FRENCH[ones]
        names = FRENCH_TENS + ["septante", "huitante", "nonante"]
        name = names[tens - 2]
        return name if ones == 0 else f"{name} et un" if ones == 1 else f"{name}-{FRENCH[ones]}"
    if n < 1000:
        count, rest = divmod(n, 100)
        front = "cent" if count == 1 else FRENCH[count] + " cent"
        if rest:
            return f"{front} {french(rest, random, last)}"
        return front + ("s" if count > 1 and last else "")
    count, rest = divmod(n, 1000)
    front = "mille" if count == 1 else french(count, random, False) + " mille"
    return front + (" " + french(rest, random, last) if rest else "")


# Dates.

ENGLISH_MONTHS = (
    "January February March April May June July August September October November December"
).split()
GERMAN_MONTHS = (
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
).split()
FRENCH_MONTHS = (
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"
).split()
ENGLISH_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth"
    " fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
).split()


def english_date(year, month, day, random):
    if day < 20:
        ordinal = ENGLISH_ORDINALS[day - 1]
    elif day % 10 == 0:
        ordinal = {20: "twentieth", 30: "thirtieth"}[day]
    else:
        ordinal = ENGLISH_TENS[day // 10 - 2] + "-" + ENGLISH_ORDINALS[day % 10 - 1]
    century, rest = divmod(year, 100)
    if century == 20 and (rest < 10 or random.random() < 0.5):
        said = english(year, random)
    elif rest == 0:
        said = f"{english(century, random)} hundred"
    elif rest < 10 and random.random() < 0.5:
        said = f"{english(century, random)} oh {english(rest, random)}"
    elif random.random() < 0.2 or rest < 10:
        link = random.choice([" and ", " "])
        said = f"{english(century, random)} hundred{link}{english(rest, random)}"
    else:
        said = f"{english(century, random)} {english(rest, random)}"
    name = ENGLISH_MONTHS[month - 1]
    return random.choice([
        f"the {ordinal} of {name} {said}", f"{ordinal} of {name}, {said}",
        f"{name} the {ordinal}, {said}", f"{name} {ordinal}, {said}",
        f"on the {ordinal} of {name}, {said}", f"{ordinal} {name} {said}",
    ])


def german_date(year, month, day, random):
    small = ["erst", "zweit", "dritt", "viert", "fünft", "sechst", "siebt", "acht"]
    stem = small[day - 1] if day < 9 else german(day, random) + ("t" if day < 20 else "st")
    hundreds, rest = divmod(year, 100)
    if year >= 2000:
        said = german(year, random)
    else:
        link = random.choice(["", "", "", "und"]) if 0 < rest < 13 else ""
        said = german(hundreds, random) + "hundert" + (link + german(rest, random) if rest else "")
    names = {1: ["Januar", "Jänner"], 2: ["Februar", "Feber"]}.get(month, [GERMAN_MONTHS[month - 1]])
    name = names[0] if random.random() < 0.9 else names[-1]
    return random.choice([
        f"{stem}er {name} {said}", f"der {stem}e {name} {said}", f"am {stem}en {name} {said}",
        f"den {stem}en {name} {said}", f"vom {stem}en {name} {said}",
        f"am {stem}en {name} des Jahres {said}",
    ])


def french_date(year, month, day, random):
    number = "premier" if day == 1 else french(day, random)
    hundreds, rest = divmod(year, 100)
    if year < 2000 and random.random() < 0.3:
        count = french(hundreds, random)
        said = f"{count} cent" + (" " + french(rest, random) if rest else random.choice(["", "s"]))
    else:
        said = french(year, random)
        if year < 2000 and random.random() < 0.3:
            said = "mil" + said[len("mille"):]
    name = FRENCH_MONTHS[month - 1]
    return random.choice([
        f"le {number} {name} {said}", f"{number} {name} {said}", f"le {number} {name} de l'an {said}",
        f"du {number} {name} {said}",
    ])


# Quantities: the unit's names for one and for several.

NAMES = {
    "en": ["kilograms|kilogrammes|kilos", "grams|grammes", "milligrams|milligrammes",
           "tonnes|tons", "kilometres|kilometers", "metres|meters", "centimetres|centimeters", "millimetres|millimeters", "litres|liters",
           "millilitres|milliliters", "hours", "minutes", "seconds", "degrees Celsius|degrees centigrade",
           "percent|per cent"],
    "de": ["Kilogramm|Kilo", "Gramm", "Milligramm", "Tonnen", "Kilometer", "Meter", "Zentimeter",
           "Millimeter", "Liter", "Milliliter", "Stunden", "Minuten", "Sekunden",
           "Grad Celsius|Grad", "Prozent"],
    "fr": ["kilogrammes|kilos", "grammes", "milligrammes", "tonnes", "kilomètres", "mètres",
           "centimètres", "millimètres", "litres", "millilitres", "heures", "minutes", "secondes",
           "degrés Celsius|degrés", "pour cent"],
}
FEMININE = {"de": {"t", "h", "min", "s"}, "fr": {"t", "h", "min", "s"}}


def named(language, unit, one, random):
    """A name of the unit, for one of it or for several."""
    name = random.choice(NAMES[language][UNITS.index(unit)].split("|"))
    if not one or unit == "%":
        return name
    if language == "de":
        return {"Tonnen": "Tonne", "Stunden": "Stunde", "Minuten": "Minute",
                "Sekunden": "Sekunde"}.get(name, name)
    head, _, rest = name.partition(" ")
    return (head[:-1] if head.endswith("s") else head) + (" " + rest if rest else "")


def fraction(digits, language, random):
    """What is said after the point: digit by digit, in French as one number."""
    if language == "fr":
        zeros = len(digits) - len(digits.lstrip("0"))
        return " ".join(["zéro"] * zeros + [french(int(digits), random)])
    words = ENGLISH if language == "en" else GERMAN[:1] + ["eins"] + GERMAN[2:10]
    return " ".join(words[int(digit)] for digit in digits)


def quantity(whole, digits, negative, unit, language, random):
    """`whole.digits unit` in words; `digits` is empty or does not end in zero."""
    say = {"en": english, "de": german, "fr": french}[language]
    minus = {"en": random.choice(["minus ", "negative "]), "de": "minus ", "fr": "moins "}[language]
    sign = minus if negative else ""
    plural = named(language, unit, False, random)
    female = language in FEMININE and unit in FEMININE[language]
    if digits == "5" and not negative and random.random() < 0.5:
        if language == "en":
            single = named("en", unit, True, random)
            if whole == 0:
                return f"half a{'n' if unit == 'h' else ''} {single}"
            return f"{english(whole, random)} and a half {plural}"
        if language == "de" and 0 < whole < 100:
            if whole == 1 and random.random() < 0.7:
                return random.choice(["anderthalb ", "eineinhalb "]) + plural
            return f"{german(whole, random, 'ein')}einhalb {plural}"
        if language == "fr" and whole > 0 and unit not in ("%", "°C"):
            front = french(whole, random)
            if whole == 1:
                return f"{'une' if female else 'un'} {named('fr', unit, True, random)} et demi" + (
                    "e" if female else "")
            return f"{front} {plural} et demi{'e' if female else ''}"
    if digits:
        point = {"en": "point", "de": "Komma", "fr": "virgule"}[language]
        # From two on French counts the plural, English and German from anything but one.
        name = named(language, unit, language == "fr" and whole < 2, random)
        last = german(whole, random) if language == "de" else say(whole, random)
        return f"{sign}{last} {point} {fraction(digits, language, random)} {name}"
    one = whole == 1
    name = named(language, unit, one or (language == "fr" and whole == 0), random)
    if language == "de":
        number = german(whole, random, "eine" if female else "ein")
    else:
        number = say(whole, random)
        if one and female:
            number = "une"
        elif one and language == "en" and not negative and unit not in ("%", "°C"):
            number = random.choice(["one", "an" if unit == "h" else "a"])
    return f"{sign}{number} {name}"


# Examples.

LIMITS = [(100, 4), (1_000, 4), (10_000, 2), (1_000_000, 3)]


def plain(text, language):
    """The text as it is typed without accents."""
    if language == "de":
        for letter, pair in {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"}.items():
            text = text.replace(letter, pair)
    letters = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def example(random):
    """`(phrase, ISO form, language, content)`."""
    language = random.choice(["en", "de", "fr"])
    if random.random() < 0.5:
        year, month = random.randint(*YEARS), random.randint(1, 12)
        day = random.randint(1, calendar.monthrange(year, month)[1])
        say = {"en": english_date, "de": german_date, "fr": french_date}[language]
        phrase = say(year, month, day, random)
        iso = content = f"{year:04}-{month:02}-{day:02}"
    else:
        limit = random.choices([limit for limit, _ in LIMITS], [share for _, share in LIMITS])[0]
        whole = random.randrange(limit)
        digits = ""
        if limit <= 1_000 and random.random() < 0.6:
            places = random.choice([1, 1, 2, 3])
            digits = f"{random.randrange(1, 10 ** places):0{places}}".rstrip("0")
            if random.random() < 0.25:
                digits = "5"
        unit = random.choice(UNITS)
        negative = unit == "°C" and (whole > 0 or digits != "") and random.random() < 0.4
        phrase = quantity(whole, digits, negative, unit, language, random)
        content = f"{whole}.{digits}" if digits else str(whole)
        iso = f"{'-' if negative else ''}{content} {unit}"
    if random.random() < 0.1:
        phrase = plain(phrase, language)
    return phrase, iso, language, content
