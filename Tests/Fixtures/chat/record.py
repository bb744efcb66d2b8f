"""Records what transformers makes of conversations with the templates of templates.py.

    python record.py

Writes chat.json: for each case the template's name, the conversation, what else the template sees,
and the text, or null where transformers refuses; and the ids that the tokenizer of
../models/gpt2-lm gives the text.
"""

import datetime
import json
import os

import transformers
from transformers.utils import chat_template_utils

from templates import TEMPLATES

HERE = os.path.dirname(os.path.abspath(__file__))
NOW = 1764072000  # 2025-11-25 12:00:00 UTC


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, tz)


def said(*turns):
    return [{"role": role, "content": content} for role, content in turns]


CALL = {"type": "function", "function": {"name": "depth", "arguments": {"river": "Inn", "at": 3}}}
TOOLS = [
    {"type": "function", "function": {
        "name": "depth", "description": "How deep a river is: <now> & \"then\".",
        "parameters": {"type": "object", "properties": {
            "river": {"type": "string"}, "at": {"type": ["integer", "string"], "nullable": True},
            "tags": {"type": "array", "nullable": True}}, "required": ["river"]},
        "return": "float"}},
    {"type": "function", "function": {
        "name": "hour", "description": "Die Stunde – übrigens.",
        "parameters": {"type": "object", "properties": {}, "required": []}}},
]

CONVERSATIONS = {
    "one": (said(("user", " The river\nrises? ")), {}),
    "system": (said(("system", "Be brief. "), ("user", "Joy"), ("assistant", " yes "), ("user", "é🙂")), {}),
    "assistant last": (said(("user", "a"), ("assistant", "<think>\nwhy\n</think>\n\nb")), {}),
    "thoughts": (said(("user", "a"), ("assistant", "<think>\nwhy\n</think>\n\nb"), ("user", "c")),
                 {"enable_thinking": False}),
    "twice": (said(("user", "a"), ("user", "b")), {}),
    "unknown role": (said(("user", "a"), ("bard", "b")), {}),
    "tools": (said(("user", "How deep?")) + [{"role": "assistant", "content": None, "tool_calls": [CALL]}]
              + said(("tool", "4.5"), ("tool", "{\"a\": 1}"), ("assistant", "4.5 m")), {"tools": TOOLS}),
    "parts": ([{"role": "system", "content": [{"type": "text", "text": "Look."}]},
               {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " what? "}]}], {}),
    "documents": (said(("system", "x"), ("user", "read")), {"documents": [
        {"title": "the river inn", "text": "It rises\nin the mountains and goes to the Danube."}]}),
    "date": (said(("user", "today?")), {"date_string": "1 Jan 2001", "custom_tools": TOOLS[1:]}),
}


def main():
    chat_template_utils.datetime = Clock
    os.environ["TZ"] = "UTC"
    gpt2 = transformers.AutoTokenizer.from_pretrained(os.path.join(HERE, "../models/gpt2-lm"))
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=gpt2.backend_tokenizer, bos_token="<s>", eos_token="</s>")
    cases = []
    for template in TEMPLATES:
        for name, (messages, more) in CONVERSATIONS.items():
            for adds in (True, False):
                more = dict(more)
                try:
                    text = tokenizer.apply_chat_template(
                        messages, tokenize=False, add_generation_prompt=adds,
                        chat_template=TEMPLATES[template], **more)
                except Exception as error:  # noqa: BLE001: whatever Jinja raises is a refusal
                    print(f"{template}, {name}: {type(error).__name__}: {error}")
                    text = None
                ids = None if text is None else gpt2(text, add_special_tokens=False)["input_ids"]
                cases.append({
                    "template": template, "conversation": name, "adds_generation_prompt": adds,
                    "text": text, "ids": ids})
    head = {
        "transformers": transformers.__version__, "now": NOW,
        "tokens": {"bos_token": "<s>", "eos_token": "</s>"}, "templates": TEMPLATES,
        "conversations": {name: {"messages": messages, "variables": more}
                          for name, (messages, more) in CONVERSATIONS.items()}}
    with open(os.path.join(HERE, "chat.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ',\n"cases": [\n')
        file.write(",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
