"""Text in, results out: what a user of transformers or sentence-transformers sees (text.json)."""


def save_sentence_modules(directory, config, more):
    pass


def record(model, directory, more):
    pass
