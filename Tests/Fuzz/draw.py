"""Random choices, random inputs, and what a case is."""

import random
from dataclasses import dataclass, field

import torch

# Every name of transformers' ACT2FN whose function has no weights of its own.
ACTIVATIONS = (
    "gelu gelu_10 gelu_fast gelu_new gelu_python gelu_pytorch_tanh gelu_accurate laplace leaky_relu "
    "linear mish quick_gelu relu relu2 relu6 sigmoid silu swish tanh").split()


@dataclass
class Case:
    """A class of transformers, its configuration, and what it is run on."""
    kind: type
    config: object
    # What it is run on: inputs of the forward call by a name that says what is special.
    inputs: dict
    # Keywords of the forward call that are no inputs.
    call: dict = field(default_factory=dict)
    # Arguments of `burin compile`.
    arguments: list = field(default_factory=list)
    # The entry that inputs of a name run; `forward` for others.
    entries: dict = field(default_factory=dict)
    # Files beside the weights, by name: values for JSON.
    files: dict = field(default_factory=dict)
    # Prompts or sources to generate from, with the keywords of `generate` for each.
    prompts: list = field(default_factory=list)
    # What generation_config.json says beside what follows from the configuration.
    generation: dict = field(default_factory=dict)
    # The model, where its weights are drawn already.
    model: object = None
    # Whether the configuration that is read is not the one that the weights were drawn for.
    is_changed: bool = False
    # Writes further files into the directory.
    prepare: object = None
    # Checks more: (model, library, directory, burin, program) -> complaints.
    check: object = None


class Draw(random.Random):
    """One case's choices; the tensors follow from the same seed."""

    def __init__(self, seed):
        super().__init__(seed)
        self.torch = torch.Generator().manual_seed(self.getrandbits(60))

    def one(self, *choices):
        return self.choice(choices)

    def to(self, least, most):
        return self.randint(least, most)

    def chance(self, probability):
        return self.random() < probability

    def activation(self):
        return self.choice(ACTIVATIONS)

    def epsilon(self):
        return self.one(1e-12, 1e-7, 1e-6, 1e-5, 1e-3)

    def some(self, **keys):
        """About half of the keys: the others keep what transformers takes for absent ones."""
        return {k: v for k, v in keys.items() if self.chance(0.5)}

    def heads(self, least=1, most=13, even=False):
        """A hidden width and a number of heads that divides it."""
        heads, width = self.to(1, 5), self.to(least, most)
        return heads * (width + width % 2 if even else width), heads

    def length(self, least=3):
        """How long a text may be: now and then beyond the 256 keys that attention takes at a time."""
        return self.to(250, 330) if self.chance(0.1) else self.to(least, 70)

    def labels(self):
        """What a configuration says of labels, if anything."""
        kind = self.one("nothing", "one", "many", "types")
        if kind == "nothing":
            return {}
        count = {"one": 1, "many": self.to(2, 7), "types": self.to(1, 4)}[kind]
        names = {i: f"L{i}" for i in range(count)}
        keys = {"id2label": names, "label2id": {n: i for i, n in names.items()}}
        if kind == "types":
            keys["problem_type"] = self.one(
                "regression", "single_label_classification", "multi_label_classification")
        return keys

    def normal(self, *shape):
        return torch.randn(shape, generator=self.torch)

    def ids(self, vocabulary, *shape):
        return torch.randint(0, vocabulary, shape, generator=self.torch)

    def texts(self, vocabulary, longest, pad=None, least=1, types=0, positions=None):
        """Ids of one token, of two, of as many as there may be, and a padded batch."""
        def without(ids):
            if pad is not None and vocabulary > 1:
                ids[ids == pad] = (pad + 1) % vocabulary
            return ids

        cases = {
            "one": {"input_ids": self.ids(vocabulary, 2, 1)},
            "two": {"input_ids": without(self.ids(vocabulary, 1, min(2, longest)))},
            "longest": {"input_ids": self.ids(vocabulary, 1, longest)},
        }
        width = self.to(min(2, longest), longest)
        lengths = [width, self.to(max(1, width - least + 1) if least > 1 else 1, width)]
        mask = (torch.arange(width)[None] < torch.tensor(lengths)[:, None]).long()
        ids = without(self.ids(vocabulary, 2, width))
        ids[mask == 0] = pad if pad is not None and pad < vocabulary else 0
        cases["batch"] = {"input_ids": ids, "attention_mask": mask}
        cases["alone"] = {"input_ids": ids[1:, :lengths[1]].clone()}
        if types:
            drawn = self.ids(types, 2, width)
            cases["batch"]["token_type_ids"] = drawn
            cases["alone"]["token_type_ids"] = drawn[1:, :lengths[1]].clone()
        if positions:
            some = self.ids(positions, 2, width)
            cases["positions"] = {"input_ids": ids.clone(), "position_ids": some}
        return cases
