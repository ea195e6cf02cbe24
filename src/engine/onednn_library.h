#pragma once

namespace committee::engine {

// What of oneDNN is not in its header.
struct OneDnnLibrary {
  void (*set_num_threads)(int);  // of the OpenMP that it runs on, for the calling thread
};

// Loads oneDNN when called first: linked to, its 40 MB would take a millisecond from every command, most of
// which multiply nothing with it. Its functions can be called from then on. Throws Error where it is missing.
const OneDnnLibrary& load_onednn();

}  // namespace committee::engine
