#include "audit/options.h"

namespace committee::audit {

const char* name_of(Eci eci) {
  switch (eci) {
    case Eci::kRouting:
      return "routing";
    case Eci::kExecuted:
      return "executed";
    case Eci::kFrequency:
      return "frequency";
  }
  return "";
}

const char* name_of(Fallback fallback) { return fallback == Fallback::kNone ? "none" : "max-presence"; }

const char* name_of(Positions positions) {
  switch (positions) {
    case Positions::kRecorded:
      return "recorded";
    case Positions::kLast:
      return "last";
    case Positions::kAll:
      return "all";
    case Positions::kContent:
      return "content";
  }
  return "";
}

}  // namespace committee::audit
