#include <array>

#include "audit/reference.h"
#include "report/audit_files.h"
#include "report/html.h"
#include "report/terminal.h"
#include "sandbox.h"
#include "targets.h"

namespace committee::fuzz {

// An audit.json that is taken for one is also shown in every way.
void audit(std::string_view input) {
  answer([&] {
    const auto result = report::parse_audit(input, "audit.json");
    report::terminal_report(result, {});
    report::audit_csv(result);
    report::html_report(result, {});
    report::parse_audit(report::audit_json(result), "again");
  });
}

// CSV, an XLSX workbook, or the parts of one.
void table(std::string_view input) {
  std::filesystem::path path;
  switch (take_choice(input, 3)) {
    case 0:
      path = put("input.csv", input);
      break;
    case 1:
      path = put("input.xlsx", input);
      break;
    default: {
      constexpr std::array<const char*, 4> kParts = {"xl/worksheets/sheet1.xml", "xl/sharedStrings.xml",
                                                     "xl/workbook.xml", "xl/_rels/workbook.xml.rels"};
      constexpr std::array<std::string_view, 4> kDefaults = {
          "", "", R"(<workbook><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>)",
          R"(<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>)"};
      const auto parts = cut(input, kParts.size());
      std::vector<Member> members;
      for (size_t i = 0; i < kParts.size(); ++i) {
        const std::string_view bytes = i < parts.size() ? parts[i] : kDefaults[i];
        if (!bytes.empty()) members.push_back({kParts[i], bytes});
      }
      if (members.empty()) return;
      path = put_archive("input.xlsx", members);
    }
  }
  answer([&] {
    const auto table = audit::read_reference_table(path, {});
    audit::reference_csv(table, 0.8, "input");
  });
}

}  // namespace committee::fuzz
