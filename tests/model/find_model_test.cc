#include <cstdlib>
#include <map>
#include <optional>

#include "files.h"
#include "model/weights.h"

namespace committee::model {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

// An environment in which only the given variables of the cache are set.
class FindModel : public testing::Test {
 protected:
  FindModel() {
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) {
      if (const char* value = std::getenv(name)) before_[name] = value;
      unsetenv(name);
    }
  }
  ~FindModel() override {
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) {
      const auto at = before_.find(name);
      if (at == before_.end()) {
        unsetenv(name);
      } else {
        setenv(name, at->second.c_str(), 1);
      }
    }
  }

  // A cached repository with one snapshot that refs/main names.
  static fs::path cached(const fs::path& hub, const std::string& folder, const std::string& hash) {
    const fs::path repository = hub / folder;
    fs::create_directories(repository / "snapshots" / hash);
    write(repository / "refs" / "main", hash + "\n");
    return repository / "snapshots" / hash;
  }

 private:
  std::map<std::string, std::string> before_;
};

TEST_F(FindModel, TakesAFolderOrFileAsItIs) {
  const fs::path folder = test_folder();
  EXPECT_EQ(find_model(folder.string()), folder);
  write(folder / "config.json", "{}");
  EXPECT_EQ(find_model((folder / "config.json").string()), folder / "config.json");
}

TEST_F(FindModel, LooksWhereTheHubKeepsModels) {
  const fs::path root = test_folder();
  const std::string id = "allenai/OLMoE-1B-7B-0125", folder = "models--allenai--OLMoE-1B-7B-0125";
  setenv("HOME", root.c_str(), 1);
  const fs::path home = cached(root / ".cache" / "huggingface" / "hub", folder, "aaa1");
  EXPECT_EQ(find_model(id), home);
  setenv("XDG_CACHE_HOME", (root / "xdg").c_str(), 1);
  const fs::path xdg = cached(root / "xdg" / "huggingface" / "hub", folder, "aaa2");
  EXPECT_EQ(find_model(id), xdg);
  setenv("HF_HOME", (root / "hf").c_str(), 1);
  const fs::path hf_home = cached(root / "hf" / "hub", folder, "aaa3");
  EXPECT_EQ(find_model(id), hf_home);
  setenv("HF_HUB_CACHE", (root / "cache").c_str(), 1);
  const fs::path hub_cache = cached(root / "cache", folder, "aaa4");
  EXPECT_EQ(find_model(id), hub_cache);
}

TEST_F(FindModel, FollowsRevisions) {
  const fs::path root = test_folder();
  setenv("HF_HUB_CACHE", root.c_str(), 1);
  const fs::path main = cached(root, "models--org--name", "aaa1");
  const fs::path other = main.parent_path() / "bbb2";
  fs::create_directories(other);
  write(root / "models--org--name" / "refs" / "step1000", "bbb2");
  EXPECT_EQ(find_model("org/name"), main);
  EXPECT_EQ(find_model("org/name@main"), main);
  EXPECT_EQ(find_model("org/name@step1000"), other);
  EXPECT_EQ(find_model("org/name@bbb2"), other);
  EXPECT_THAT(error_of([] { find_model("org/name@step2000"); }),
              AllOf(HasSubstr("no revision \"step2000\" of org/name"), HasSubstr("which has aaa1, bbb2")));
  EXPECT_EQ(find_model(cached(root, "models--gpt2", "ccc3").string()),
            root / "models--gpt2" / "snapshots" / "ccc3");
  EXPECT_EQ(find_model("gpt2"), root / "models--gpt2" / "snapshots" / "ccc3");
}

TEST_F(FindModel, RefusesRefsThatLeaveTheCache) {
  const fs::path root = test_folder();
  setenv("HF_HUB_CACHE", root.c_str(), 1);
  cached(root, "models--org--name", "aaa1");
  for (const char* hash : {"../../..", "", "/etc", "a/b"}) {
    write(root / "models--org--name" / "refs" / "main", hash);
    EXPECT_THAT(error_of([] { find_model("org/name"); }), HasSubstr("must hold the name of a snapshot"))
        << hash;
  }
  write(root / "models--org--name" / "refs" / "main", "ddd4");
  EXPECT_THAT(error_of([] { find_model("org/name"); }),
              HasSubstr("names the snapshot ddd4, which is not in"));
}

TEST_F(FindModel, SaysWhereItLookedAndWhatIsNear) {
  const fs::path root = test_folder();
  setenv("HF_HUB_CACHE", root.c_str(), 1);
  cached(root, "models--allenai--OLMoE-1B-7B-0125", "aaa1");
  cached(root, "models--Qwen--Qwen3-30B-A3B", "bbb2");
  fs::create_directories(root / "datasets--cais--mmlu");
  EXPECT_THAT(error_of([] { find_model("allenai/OLMoE-1B-7B-0924"); }),
              AllOf(HasSubstr("allenai/OLMoE-1B-7B-0924: neither a folder here nor a model"),
                    HasSubstr(root.string()), HasSubstr("which has allenai/OLMoE-1B-7B-0125"),
                    testing::Not(HasSubstr("Qwen"))));
  EXPECT_THAT(error_of([] { find_model("qwen3-30b-a3b"); }), HasSubstr("which has Qwen/Qwen3-30B-A3B"));
  EXPECT_THAT(error_of([] { find_model("org/else"); }), testing::Not(HasSubstr("which has")));
}

TEST_F(FindModel, TakesPathsForPaths) {
  for (const char* path :
       {"/no/such/folder", "./nothing", "../nothing", "a/b/c", "", "a b", "org/name@../.."}) {
    EXPECT_THAT(error_of([&] { find_model(path); }), HasSubstr(": no such folder")) << path;
  }
}

}  // namespace
}  // namespace committee::model
