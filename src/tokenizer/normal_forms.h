#pragma once

#include "tokenizer/piece.h"

namespace committee::tokenizer {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// Unicode normalisation (UAX #15) with the data of Unicode 9, as the normalisers of Hugging Face `tokenizers`
// have it: newer code points stay as they are. Time is n log n for a run of n combining marks, else linear.
void normalise(NormalForm form, Rewriter& rewriter, std::string_view text);

}  // namespace committee::tokenizer
