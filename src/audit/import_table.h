#pragma once

#include <filesystem>

#include "trace/import.h"

namespace committee::audit {

// `import --from table`: one of the authors' tables, CSV or XLSX in either layout of FORMATS, as a trace of
// one sample a domain: the share of the listed weight that each expert of a layer has, experts that are not
// listed having none. Repeated rows of the long layout are averaged, ids below 0 are padding. For `routing`
// only (`audit TABLE --eci reference` reads the table itself). Needs --k. Throws Error as import_trace()
// does.
trace::ImportResult import_table(const std::filesystem::path& input, const std::filesystem::path& output,
                                 const trace::ImportOptions& options);

}  // namespace committee::audit
