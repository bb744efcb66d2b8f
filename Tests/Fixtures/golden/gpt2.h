// Written by Burin: what the model "gpt2-lm" takes and gives, for programs in C and C++. burin.h
// comes with Burin, and `burin compile --emit DIR` puts it into DIR.
// A session remembers up to 32 sequences of up to 103 positions; burin_length, burin_truncate,
// burin_fork and burin_reorder work on them.

#ifndef GPT2_H
#define GPT2_H

#include "burin.h"

// The most of every extent that changes from call to call.
#define GPT2_MAX_BATCH 32
#define GPT2_MAX_CONTEXT 103
#define GPT2_MAX_DRAFTS 16
#define GPT2_MAX_SEQ 103

// The entry forward; its inputs, in any order; its outputs.
#define GPT2_FORWARD "forward"

#define GPT2_FORWARD_INPUT_IDS "input_ids"            // i32[batch, seq], 0 to 282
#define GPT2_FORWARD_ATTENTION_MASK "attention_mask"  // i32[batch, seq], may be left out
#define GPT2_FORWARD_POSITION_IDS "position_ids"      // i32[batch, seq], 0 to 102, may be left out

#define GPT2_FORWARD_LOGITS "logits"  // f32[batch, seq, 283]

// The entry step; its inputs, in any order; its outputs.
#define GPT2_STEP "step"

#define GPT2_STEP_INPUT_IDS "input_ids"  // i32[batch, seq], 0 to 282
#define GPT2_STEP_COUNTS "counts"        // i32[batch], may be left out

#define GPT2_STEP_LOGITS "logits"  // f32[batch, 283]

// The entry verify; its inputs, in any order; its outputs.
#define GPT2_VERIFY "verify"

#define GPT2_VERIFY_INPUT_IDS "input_ids"  // i32[batch, drafts], 0 to 282
#define GPT2_VERIFY_COUNTS "counts"        // i32[batch], may be left out

#define GPT2_VERIFY_LOGITS "logits"  // f32[batch, drafts, 283]

#endif
