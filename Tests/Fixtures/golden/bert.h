// Written by Burin: what the model "bert" takes and gives, for programs in C and C++. burin.h comes
// with Burin, and `burin compile --emit DIR` puts it into DIR.

#ifndef BERT_H
#define BERT_H

#include "burin.h"

// The most of every extent that changes from call to call.
#define BERT_MAX_BATCH 32
#define BERT_MAX_SEQ 67

// The entry forward; its inputs, in any order; its outputs.
#define BERT_FORWARD "forward"

#define BERT_FORWARD_INPUT_IDS "input_ids"            // i32[batch, seq], 0 to 100
#define BERT_FORWARD_ATTENTION_MASK "attention_mask"  // i32[batch, seq], may be left out
#define BERT_FORWARD_TOKEN_TYPE_IDS "token_type_ids"  // i32[batch, seq], 0 to 1, may be left out
#define BERT_FORWARD_POSITION_IDS "position_ids"      // i32[batch, seq], 0 to 66, may be left out

#define BERT_FORWARD_LAST_HIDDEN_STATE "last_hidden_state"  // f32[batch, seq, 36]
#define BERT_FORWARD_POOLER_OUTPUT "pooler_output"          // f32[batch, 36]

#endif
