"""Records what Jinja, set up as transformers does, makes of small templates.

    python record_jinja.py

Writes jinja.json: the variables, and for each template, and for each value in each format, the text,
or null where Jinja refuses.
"""

import json
import os

from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))

VARIABLES = {
    "n": 7, "numbers": [1, 2, 3, 4, 5, 6, 7], "pi": 3.14159265, "word": "Inn",
    "rivers": [
        {"name": "Inn", "land": "AT", "to": {"sea": "black"}, "length": 517},
        {"name": "isar", "land": "de", "to": {"sea": "black"}, "length": 292},
        {"name": "Elbe", "land": "DE", "to": {"sea": "north"}, "length": 1094},
        {"name": "Lech", "land": "at", "to": {}, "length": 256},
    ],
    "tree": [{"name": "a", "in": [{"name": "b", "in": [{"name": "c", "in": []}]}, {"name": "d", "in": []}]},
             {"name": "e", "in": []}],
    "lists": [1, [2, [3, [], 4]], 5],
}

BATCH = "{% for part in numbers | batch(ARGUMENTS) %}{{ part }};{% endfor %}"
SLICE = "{% for part in numbers | slice(ARGUMENTS) %}{{ part }};{% endfor %}"
GROUPS = ("{% for group in rivers | groupby(ARGUMENTS) %}{{ group.grouper }}:"
          "{{ group.list | map(attribute='name') | join(',') }};{% endfor %}")
PAIRS = ("{% for land, list in rivers | groupby(ARGUMENTS) %}{{ loop.index }}{{ land }}={{ list | length }} "
         "{% endfor %}")
TREE = ("{% for node in tree recursive %}{{ loop.depth }}{{ loop.depth0 }}{{ node.name }}"
        "{% if loop.last %}.{% endif %}{% if node['in'] %}<{{ loop(node['in']) }}>{% endif %}{% endfor %}")

LOOPS = [
    TREE, TREE.replace("<{{ loop(node['in']) }}>", "{% set inner = loop(node['in']) %}[{{ inner | upper }}]"),
    "{% for x in lists recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}"
    "{% endif %}{% else %}-{% endfor %}",
    "{% for x in lists if x != 2 recursive %}{{ loop(x) if x is iterable else x }}{{ n }},{% endfor %}",
    "{% for x in lists recursive %}{% if x is iterable %}{{ loop(x) }}{% continue %}{% endif %}"
    "{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in [1] %}{{ loop([2]) }}{% endfor %}", "{% for x in [1] recursive %}{{ loop() }}{% endfor %}",
    "{% for x in [1] recursive %}{{ loop(5) }}{% endfor %}",
    "{% set n = 1 %}{% for x in lists recursive %}{% set n = n + 1 %}{{ n }}"
    "{% if x is iterable %}{{ loop(x) }}{% endif %}{% endfor %}{{ n }}",
    "{% macro m(x) %}<{{ x }}>{% endmacro %}{% for x in lists recursive %}"
    "{{ m(loop(x) if x is iterable else x) }}{% endfor %}",
]

FILTERS = (
    [BATCH.replace("ARGUMENTS", a) for a in [
        "3", "3, 0", "3, none", "linecount=3, fill_with='x'", "7", "9", "9, 'x'", "1", "0", "0, 1", "-2", ""]]
    + [SLICE.replace("ARGUMENTS", a) for a in [
        "3", "3, 0", "3, none", "slices=4, fill_with='x'", "7", "7, 1", "9", "9, 'x'", "1", "0", "-2", ""]]
    + [GROUPS.replace("ARGUMENTS", a) for a in [
        "'land'", "'land', case_sensitive=true", "attribute='land'", "'to.sea', 'none'", "'to.sea'",
        "'to.sea', default='a'", "'length'", "'nothing', 3", "'nothing'", "'name'", "'to.sea.x', 'b'", ""]]
    + [PAIRS.replace("ARGUMENTS", a) for a in ["'land'", "'land', case_sensitive=true"]]
    + ["{{ rivers | groupby('land') | map('first') | list }}", "{{ (rivers | groupby('land'))[0][1][0].name }}",
       "{{ (rivers | groupby('land') | first) | length }}", "{{ [] | groupby('x') }}",
       "{{ (rivers | groupby('length') | last).grouper }}", "{{ rivers | groupby('to') }}",
       "{{ [[2, 'a'], [1, 'b'], [2, 'c']] | groupby(0) }}", "{{ numbers | batch(3) | list }}",
       "{{ numbers | slice(3) | map('sum') | list }}", "{{ 'abcdefg' | batch(3) | map('join') | join('-') }}",
       "{{ n | batch(3) | list }}", "{{ nothing | batch(3) | list }}", "{{ rivers[0] | batch(3, 1) | list }}",
       "{{ rivers | map(attribute='to.sea.x', default='y') | list }}",
       "{{ numbers | batch(2) | length }}",
       "{{ numbers | slice(2) | list | tojson }}"])

VALUES = ["'Inn'", "''", "n", "-n", "0", "1234567", "-1234567", "255", "true", "pi", "-pi", "0.0", "-0.0",
          "1234567.891", "1e22", "1.5e-7", "100.0", "0.1", "2.5", "none", "[1, 'a']", "nothing", "'äé🙂'"]
SPECIFICATIONS = [
    "", "5", "<5", ">9", "^9", "*^9", "=9", "x=9", "09", "<09", "*<09", "+", "-", " ", "+9", "s", "9s", ".2s", ".2",
    ".0", "^9.2", "d", "09d", "+d", ",", "_", ",d", "012,", "013,d", "_d", "b", "#b", "o", "#o", "x", "#x", "X", "#X",
    "#010x", "_x", "_b", ",x", "c", "n", "e", ".2e", "E", "f", ".1f", ".0f", "#.0f", "F", "10.3f", "-10.3f", "<10.3f",
    "010.3f", "+010.3f", ",.2f", "015,.2f", "_f", "g", ".3g", "G", "#g", "%", ".1%", "9.1%", "q", "5 ", "5.", "d5",
    "^", "{<5", "é>6", "99", ",.0f", ".10", ".3", ".15g", ",_", "+s", "#s", ",s", "0=5", ".2d"]

FIELDS = [
    "{{ '{} {}!'.format('a', 2) }}", "{{ '{1} {0} {1}'.format('a', 2) }}", "{{ '{a}-{b}'.format(a=1, b='x') }}",
    "{{ '{0}{a}'.format(1, a=2) }}", "{{ '{}{a}{}'.format(1, 3, a=2) }}", "{{ '{}{0}'.format(1) }}",
    "{{ '{0}{}'.format(1) }}", "{{ '{}'.format() }}", "{{ '{1}'.format(1) }}", "{{ '{x}'.format(y=1) }}",
    "{{ '{{}} {{{}}}'.format(1) }}", "{{ '{'.format(1) }}", "{{ '}'.format(1) }}", "{{ '{0'.format(1) }}",
    "{{ '{0!r} {0!s}'.format('a') }}", "{{ '{!r:>6}'.format('a') }}", "{{ '{0!q}'.format(1) }}", "{{ '{!r}'.format([1, 'a']) }}",
    "{{ '{0[name]} {0[to][sea]} {0.land}'.format(rivers[0]) }}", "{{ '{0[1]}{0[2]}'.format(numbers) }}",
    "{{ '{r[name]:>5}|{r.length:,}'.format(r=rivers[2]) }}", "{{ '{0[99]}'.format(numbers) }}",
    "{{ '{0.nothing}|'.format(rivers[0]) }}", "{{ '{0.nothing.more}|'.format(rivers[0]) }}",
    "{{ '{:{}}|'.format('a', 5) }}", "{{ '{:{w}.{p}f}|'.format(pi, w=9, p=2) }}", "{{ '{0:{1}{2}}|'.format('a', '>', 5) }}",
    "{{ '{:{:{}}}|'.format(1, 2, 3) }}", "{{ '{:%s}'.format(1) % 'd' }}", "{{ '{} {}'.format(*['a', 'b']) }}",
    "{{ '{a}'.format(**{'a': 'b'}) }}", "{{ '{}'.format(1, 2, 3) }}", "{{ '{a} {b}'.format_map({'a': 1, 'b': 2}) }}",
    "{{ '{a}'.format_map({}) }}", "{{ '{0.}'.format(1) }}", "{{ '{0[]}'.format(numbers) }}", "{{ '{0[1]x}'.format(numbers) }}",
    "{{ '{0[a:b]}|'.format({'a:b': 'c'}) }}", "{{ '{0[}]}|'.format({'}': 'c'}) }}", "{{ '{!}'.format(1) }}",
    "{{ '{!r'.format(1) }}", "{{ '{:5'.format(1) }}", "{{ '{a{b}}'.format(a=1) }}", "{{ '{0:>{w}}|'.format(word, w=n) }}",
    "{{ '{:d} of {:d}: {:.1%}'.format(3, 8, 3 / 8) }}", "{{ ('{}: {}'.format(word, n)) | upper }}",
    "{{ '{-1}'.format(1) }}", "{{ '{0[-1]}|'.format(numbers) }}", "{{ '{ }'.format(1) }}", "{{ '{} {}'.format(1) }}",
]


def main():
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])

    def text(source):
        try:
            return environment.from_string(source).render(**VARIABLES)
        except Exception:  # noqa: BLE001: whatever Jinja raises is a refusal
            return None

    def line(value):
        return json.dumps(value, ensure_ascii=False)

    cases = [line({"source": source, "text": text(source)}) for source in LOOPS + FILTERS + FIELDS]
    formats = [
        line({"value": value, "texts": [text("{{ '{:" + s + "}'.format(" + value + ") }}") for s in SPECIFICATIONS]})
        for value in VALUES]
    with open(os.path.join(HERE, "jinja.json"), "w", encoding="utf-8") as file:
        file.write('{"variables": ' + line(VARIABLES) + ',\n"cases": [\n' + ",\n".join(cases))
        file.write('\n],\n"specifications": ' + line(SPECIFICATIONS))
        file.write(',\n"formats": [\n' + ",\n".join(formats) + "\n]}\n")


if __name__ == "__main__":
    main()
