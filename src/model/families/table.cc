#include <fmt/ranges.h>

#include <vector>

#include "base/error.h"
#include "model/families/family.h"

namespace committee::model {

extern const Family kOlmoe, kQwen3Moe, kQwen2Moe, kMixtral, kDeepseekV2, kDeepseekV3, kGlm4Moe;

namespace {

constexpr const Family* kFamilies[] = {&kOlmoe,    &kQwen3Moe,   &kDeepseekV2, &kMixtral,
                                       &kQwen2Moe, &kDeepseekV3, &kGlm4Moe};

}  // namespace

const Family& find_family(const std::string& model_type, const std::string& file) {
  std::vector<std::string_view> known;
  for (const Family* family : kFamilies) {
    if (family->model_type == model_type) return *family;
    known.push_back(family->model_type);
  }
  throw Error("{}: unknown model_type \"{}\", known are {}", file, model_type, fmt::join(known, ", "));
}

}  // namespace committee::model
