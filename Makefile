# build demo test bench install deb format lint: each installs the Debian packages that it lacks.
BUILD_PACKAGES := g++ cmake ninja-build pkg-config libdnnl-dev libfmt-dev nlohmann-json3-dev libsimdjson-dev \
                  libcli11-dev libpcre2-dev libutf8proc-dev libminizip-dev libpugixml-dev libxxhash-dev libhwy-dev \
                  zlib1g-dev
TEST_PACKAGES  := libgtest-dev libgmock-dev chromium libopenmpi-dev openmpi-bin
FUZZ_PACKAGES  := clang-16 libclang-rt-16-dev
BENCH_PACKAGES := libbenchmark-dev
PREFIX ?= /usr/local
OUT ?= out/demo

MINUTES ?= 10
# The parts that have threads. oneDNN and OpenMP are not instrumented, and need no suppressions: every product runs on the
# one thread that asks for it (matmul.cc), so all threads are our own.
TSAN_TESTS := base parallel trace engine audit

.PHONY: build demo test sanitize tsan fuzz bench install format format-check lint clean

build:
	@tools/install-packages $(BUILD_PACKAGES)
	@tools/web/get-node build/node
	@cmake --preset release -DCOMMITTEE_TESTS=OFF >build.log 2>&1 || { cat build.log; exit 1; }
	@cmake --build build

# The main job on the embedded model, over the last token of each prompt and over the content tokens.
demo: build
	build/committee-audit run demo/model --data demo/prompts.jsonl --positions all --audit-positions last,content \
	  -o $(OUT) --overwrite

test:
	@tools/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES)
	@tools/web/get-node build/node
	@cmake --preset release -DCOMMITTEE_TESTS=ON >build.log 2>&1 || { cat build.log; exit 1; }
	@cmake --build build
	@ctest --test-dir build --output-on-failure

# The whole suite under AddressSanitizer and UndefinedBehaviorSanitizer, and the threaded parts under ThreadSanitizer.
sanitize:
	@tools/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES)
	cmake --preset asan && cmake --build build-asan && ctest --test-dir build-asan --output-on-failure

tsan:
	@tools/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES)
	cmake --preset tsan && cmake --build build-tsan --target $(addprefix test_,$(TSAN_TESTS))
	for test in $(TSAN_TESTS); do build-tsan/src/$$test/test_$$test --gtest_brief=1 || exit 1; done

# Hostile files: every reader, MINUTES in all (docs/robustness.md).
fuzz:
	@tools/install-packages $(BUILD_PACKAGES) $(FUZZ_PACKAGES)
	@tools/web/get-node build/node
	@cmake --preset fuzz >build.log 2>&1 || { cat build.log; exit 1; }
	@cmake --build build-fuzz
	fuzz/run build-fuzz $(MINUTES)

bench:
	@tools/install-packages $(BUILD_PACKAGES) $(BENCH_PACKAGES)
	cmake --preset bench && cmake --build build
	bench/run

install: build
	cmake --install build --prefix $(PREFIX)

# Debian packages of the program and of the library, in build/: committee-audit_*.deb, libcommittee-audit-dev_*.deb.
deb: build
	@tools/install-packages dpkg-dev file
	cd build && cpack -G DEB

format:
	@tools/install-packages clang-format
	git ls-files '*.cc' '*.h' | xargs clang-format -i

format-check:
	@tools/install-packages clang-format
	git ls-files '*.cc' '*.h' | xargs clang-format --dry-run -Werror

lint:
	@tools/install-packages $(BUILD_PACKAGES) $(TEST_PACKAGES) clang-tidy
	cmake --preset release -DCOMMITTEE_TESTS=ON >build.log
	git ls-files 'src/*.cc' | xargs -P 2 -n 4 clang-tidy -quiet -p build --extra-arg=-Wno-unknown-warning-option

clean:
	rm -rf build build-asan build-tsan build-fuzz out build.log
