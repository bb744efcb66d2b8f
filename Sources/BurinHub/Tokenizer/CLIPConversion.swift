extension TokenizerSettings {
  /// CLIP's tokenizer out of its parts.
  func clip(
    _ vocabulary: JSONObject, merges: [JSON], tokens: [JSON], sep: JSON, cls: JSON
  ) -> JSON {
    let words = #"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"#
    let bytes: JSON = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]
    return [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(tokens),
      "normalizer": [
        "type": "Sequence",
        "normalizers": [
          ["type": "NFC"], ["type": "Replace", "pattern": ["Regex": "\\s+"], "content": " "],
          ["type": "Lowercase"],
        ],
      ],
      "pre_tokenizer": [
        "type": "Sequence",
        "pretokenizers": [
          [
            "type": "Split", "pattern": ["Regex": JSON(words)], "behavior": "Removed",
            "invert": true,
          ], bytes,
        ],
      ],
      "post_processor": [
        "type": "RobertaProcessing", "sep": sep, "cls": cls, "trim_offsets": false,
        "add_prefix_space": false,
      ], "decoder": bytes,
      "model": [
        "type": "BPE", "dropout": nil,
        "unk_token": token("unk_token").map { .string($0.content) } ?? .null,
        "continuing_subword_prefix": "", "end_of_word_suffix": "</w>", "fuse_unk": false,
        "byte_fallback": false, "vocab": .object(vocabulary), "merges": .array(merges),
      ],
    ]
  }
}
