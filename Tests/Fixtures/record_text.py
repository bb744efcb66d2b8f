"""Text in, results out: what a user of transformers or sentence-transformers sees (text.json).

Classes, entities and answers are those of transformers' own pipelines, sentence vectors those of
sentence-transformers (fixture_sentences.py).
"""

import json
import os

import torch
import transformers as t

import fixture_sentences

SHORT = [
    "The river rises in the mountains.",
    "Anna Berger lives in Vienna, near the river; Peter Lang lives in Hamburg.",
    "",
    "joy",
    "  She was ANGRY — then   surprised!  ",
    "Café Zürich, 12 °C, naïve piñata 日本 🙂",
]
TEXTS = SHORT + [  # the last is longer than the positions: cut off where a vector is made
    "Bread, cheese and apples were on the table; nobody was hungry. The train from Paris to London "
    "takes a little more than two hours, and the museum opens at nine and closes at five.",
]

CONTEXT = (
    "The bridge was built in 1873 by Peter Lang, an engineer from Hamburg. In winter the lake "
    "freezes, and people walk from one village to the other. Anna Berger lives in Vienna and works "
    "for a small museum near the river. The museum opens at nine and closes at five.")
QUESTIONS = [
    ("Who lives in Vienna?", "Anna Berger lives in Vienna."),
    ("When was the bridge built?", "The bridge was built in 1873 by Peter Lang."),
    ("Where is the café?", "Das Café liegt in Zürich — «am See», sagt Maria."),
    ("Who built the bridge?", CONTEXT),  # longer than the positions: read in windows
]
MASKED = [
    "The river [MASK] in the mountains.",
    "[MASK] was built by Peter [MASK].",
]
PROMPTS = [
    "The river",
    "Anna Berger lives in",
    "In winter the lake freezes, and",
]


def write(path, value):
    """JSON with one line per element of the lists directly below the outermost object."""
    def line(v):
        return json.dumps(v, ensure_ascii=False)
    parts = []
    for key, v in value.items():
        if isinstance(v, list):
            parts.append(f"{line(key)}: [\n" + ",\n".join(map(line, v)) + "\n]")
        else:
            parts.append(f"{line(key)}: {line(v)}")
    with open(path, "w") as file:
        file.write("{\n" + ",\n".join(parts) + "\n}\n")


def short(x):
    """A float in the nine digits that give an f32 back."""
    return float(f"{float(x):.9g}")


# Task heads


def record_classes(model, tokenizer):
    pipe = t.TextClassificationPipeline(model=model, tokenizer=tokenizer)
    return {"texts": [{
        "text": text, "ids": tokenizer(text)["input_ids"],
        "labels": [{"label": x["label"], "score": short(x["score"])}
                   for x in pipe([text], top_k=None)[0]]} for text in SHORT]}


def record_entities(model, tokenizer):
    pipe = t.TokenClassificationPipeline(
        model=model, tokenizer=tokenizer, aggregation_strategy="simple")
    texts = []
    for text in SHORT:
        ids = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            best = model(**ids).logits[0].topk(2).values
        assert (best[:, 0] - best[:, 1]).min() > 1e-3, f"an undecided token in {text!r}"
        texts.append({
            "text": text, "ids": ids["input_ids"][0].tolist(),
            "entities": [{
                "entity": x["entity_group"], "score": short(x["score"]), "start": int(x["start"]),
                "end": int(x["end"]), "word": x["word"]} for x in pipe(text)]})
    return {"texts": texts}


def record_answers(model, tokenizer):
    pipe = t.QuestionAnsweringPipeline(model=model, tokenizer=tokenizer)
    questions = []
    for question, context in QUESTIONS:
        found = pipe(question=question, context=context, top_k=3)
        questions.append({
            "question": question, "context": context,
            "ids": tokenizer(question, context)["input_ids"],
            "answers": [{"answer": x["answer"], "score": short(x["score"]), "start": x["start"],
                         "end": x["end"]} for x in found]})
    return {"questions": questions}


def record_masked_words(model, tokenizer):
    texts = []
    for text in MASKED:
        ids = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            logits = model(**ids).logits[0]
        ids = ids["input_ids"][0].tolist()
        masks = []
        for position in (i for i, x in enumerate(ids) if x == tokenizer.mask_token_id):
            top = logits[position].softmax(0).topk(5)
            masks.append({
                "position": position, "tokens": top.indices.tolist(),
                "scores": [short(x) for x in top.values]})
        texts.append({"text": text, "ids": ids, "masks": masks})
    return {"texts": texts}


def record_continuations(model, tokenizer):
    """Greedy text up to the configuration's end token, or 32 tokens."""
    prompts = []
    for text in PROMPTS:
        ids = tokenizer(text, return_tensors="pt")
        out = model.generate(
            **ids, do_sample=False, max_new_tokens=32, pad_token_id=0,
            output_logits=True, return_dict_in_generate=True)
        tokens = out.sequences[0, ids["input_ids"].shape[1]:].tolist()
        best = torch.stack(out.logits)[:, 0].topk(2).values
        assert (best[:, 0] - best[:, 1]).min() > 1e-3, f"an undecided token after {text!r}"
        prompts.append({
            "text": text, "ids": ids["input_ids"][0].tolist(), "tokens": tokens,
            "continuation": tokenizer.decode(tokens, skip_special_tokens=True)})
    return {"prompts": prompts}


RECORDERS = {
    "SequenceClassification": record_classes, "TokenClassification": record_entities,
    "QuestionAnswering": record_answers, "MaskedLM": record_masked_words,
    "LMHeadModel": record_continuations}


def record(kind, directory, more):
    """Writes text.json with the model and the tokenizer as they are read back from `directory`."""
    t.logging.set_verbosity_error()
    model = kind.from_pretrained(
        directory, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = t.AutoTokenizer.from_pretrained(directory)
    if "pooling" in more:
        value = fixture_sentences.record(directory, more, TEXTS, short)
    else:
        (recorder,) = (f for name, f in RECORDERS.items() if name in kind.__name__)
        value = recorder(model, tokenizer)
    write(os.path.join(directory, "text.json"), value)
