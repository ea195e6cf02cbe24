#pragma once

// Where this build's files lie. Defined in a file that CMake makes, so that the tests' own objects are the
// same wherever the tree is, and a compiler cache serves several checkouts.
namespace committee::paths {

extern const char* const kFixtures;  // tests/fixtures
extern const char* const kSource;    // the repository's root
extern const char* const kBinary;    // the program

}  // namespace committee::paths
