# drover: compose for virtual machines
#
#   make            build/drover
#   make demo       install what is missing, build, make the tiny guest, run a real lab
#   make check      install what is missing, run all tests
#   make lint       warnings as errors, clang-tidy, cppcheck, shellcheck, man pages, examples
#   make check-crash   drover killed and refused at every system call; takes hours
#   make bench      the measures, side by side
#   make install    DESTDIR= PREFIX=/usr/local
#
# V=1 shows the commands, WERROR=1 makes warnings errors.

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= gcc
CFLAGS  ?= -O2 -g
WERROR  ?=
DIRS    ?= base parser network runtime cmd
V       ?=
say      = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2);)

PACKAGES := glib-2.0 jansson yaml-0.1 libnl-3.0 libnl-route-3.0 libnftables
LAZY     := libcurl libarchive libcrypto# loaded when they are first called: base/lazy.h
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla \
            -Wformat=2 -Wundef -Wno-missing-field-initializers -Wno-unused-parameter

PACKAGE_CFLAGS = $(shell pkg-config --cflags $(PACKAGES) $(LAZY))
PACKAGE_LIBS   = $(shell pkg-config --libs $(PACKAGES))
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DDROVER_VERSION=\"$(VERSION)\" -I. $(WARNINGS) \
             $(if $(WERROR),-Werror) -fstack-protector-strong -fPIE $(PACKAGE_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)

SOURCES := $(wildcard $(addsuffix /*.c,$(DIRS)) $(addsuffix /*/*.c,$(DIRS)))
LIBRARY_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out cmd/main.c,$(SOURCES)))
LIBRARY_OBJECTS += $(BUILD)/parser/catalogue-text.o
LIBRARY := $(BUILD)/libdrover.a
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test-*.c))

.PHONY: all
all: $(BUILD)/drover

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The catalogue of images, as a text that is linked in.
$(BUILD)/parser/catalogue-text.c: parser/catalogue.yaml
	@mkdir -p $(@D)
	@{ echo 'extern const char catalogue_text[];'; echo 'const char catalogue_text[] ='; \
	        sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $<; echo ';'; } >$@

$(BUILD)/parser/catalogue-text.o: $(BUILD)/parser/catalogue-text.c
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIBRARY): $(LIBRARY_OBJECTS)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(BUILD)/drover: $(BUILD)/cmd/main.o $(LIBRARY)
	$(call say,LINK,$@)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(PACKAGE_LIBS)

$(BUILD)/unit/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(PACKAGE_LIBS)

# ---- tests ----

# Speaks D-Bus by GIO, to check what drover speaks by itself.
$(BUILD)/unit/test-scope: PACKAGES += gio-2.0
# Makes archives by itself.
$(BUILD)/unit/test-cache $(BUILD)/unit/test-download $(BUILD)/unit/test-unpack: PACKAGES += libarchive

.PHONY: unit
unit: $(UNIT_TESTS) $(BUILD)/golden $(BUILD)/fake-qemu $(BUILD)/strike $(BUILD)/fail-malloc.so \
      $(BUILD)/shift-clock.so

# Compares what the parser says of every file in tests/config with what is written beside it.
$(BUILD)/golden: tests/config/golden.c $(LIBRARY)
	$(call say,LINK,$@)$(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(PACKAGE_LIBS)

# A program that speaks QMP and nothing else: for error paths, crash sweeps and scale.
$(BUILD)/fake-qemu: tests/fake-qemu.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(PACKAGE_LIBS)

# Hits one of drover's processes at one of its system calls.
$(BUILD)/strike: tests/strike.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(if $(WERROR),-Werror) -O2 -o $@ $<

# Preloaded: no memory at a chosen request; another clock of the day.
$(BUILD)/fail-malloc.so $(BUILD)/shift-clock.so: $(BUILD)/%.so: tests/%.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARNINGS) $(if $(WERROR),-Werror) -O2 -shared -fPIC -o $@ $< -ldl

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all

.PHONY: asan
asan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan CFLAGS="-O1 -g $(SANITIZE)" LDFLAGS="$(SANITIZE)" all unit

# The parser alone, with clang: nothing else reads text that anybody may have written.
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz-*.c))

.PHONY: fuzz
fuzz:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=clang DIRS="base parser" \
	        CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,address,undefined" LDFLAGS="-fsanitize=fuzzer,address,undefined" \
	        FUZZ_BUILD=1 $(FUZZ_TARGETS)

ifdef FUZZ_BUILD
$(BUILD)/fuzz-%: tests/fuzz/fuzz-%.c tests/fuzz/fuzz.h $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $< $(LIBRARY) $(PACKAGE_LIBS)
endif

.PHONY: setup
setup:
	@tests/setup.sh

.PHONY: check
check:
	@tests/setup.sh --tests
	@$(MAKE) --no-print-directory -j$$(nproc) all unit
	@$(MAKE) --no-print-directory -j$$(nproc) asan
	@$(MAKE) --no-print-directory -j$$(nproc) fuzz
	@BUILD=$(BUILD) tests/run

# Every point at which drover can be killed or refused; `check` takes a sample.
.PHONY: check-crash
check-crash:
	@tests/setup.sh --tests
	@$(MAKE) --no-print-directory -j$$(nproc) all unit
	@BUILD=$(BUILD) tests/check-crash

.PHONY: demo demo-down
demo: setup
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@tests/demo.sh $(BUILD)/drover

demo-down:
	@tests/demo.sh --down $(BUILD)/drover

# Starts the same QEMU command lines without drover, to measure it against.
BENCH := $(addprefix $(BUILD)/bench/,bare-launcher bare-yaml measure storage vectors)
$(BUILD)/bench/%: tests/bench/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(PACKAGE_LIBS)

.PHONY: bench-build bench bench-virsh
bench-build: all $(BENCH)

bench:
	@tests/setup.sh --tests --bench
	@$(MAKE) --no-print-directory -j$$(nproc) bench-build
	@BUILD=$(BUILD) tests/bench/run

bench-virsh:
	@tests/setup.sh --tests --bench --virsh
	@$(MAKE) --no-print-directory -j$$(nproc) bench-build
	@BUILD=$(BUILD) tests/bench/run --virsh

# ---- lint ----

.PHONY: lint
lint: lint-setup lint-lines lint-build lint-tidy lint-cppcheck lint-shell lint-man lint-examples
	@echo "lint: nothing found"

.PHONY: lint-setup lint-lines lint-build lint-tidy lint-cppcheck lint-shell lint-man lint-examples
lint-setup:
	@tests/setup.sh --lint

# As wide as .clang-format makes them; what is compared with output is as long as that is.
lint-lines:
	@! git ls-files -z -- '*.c' '*.h' '*.py' '*.sh' Makefile man .ci tests/run tests/check-crash tests/guest tests/bench | \
	        LC_ALL=C.UTF-8 xargs -0 grep -nE '^.{129}' /dev/null

lint-build: lint-setup
	@$(MAKE) --no-print-directory -j$$(nproc) BUILD=$(BUILD)/lint WERROR=1 all unit
	@$(MAKE) --no-print-directory -j$$(nproc) BUILD=$(BUILD)/lint-clang WERROR=1 CC=clang all

lint-tidy: lint-setup
	@printf '%s\n' $(SOURCES) | xargs -P $$(nproc) -n 6 sh -c \
	        'clang-tidy --quiet --warnings-as-errors="*" "$$@" -- $(ALL_CFLAGS) 2>/dev/null' clang-tidy

lint-cppcheck: lint-setup
	@cppcheck --quiet --error-exitcode=1 --enable=warning,portability,performance --inline-suppr --std=c11 -j$$(nproc) \
	        --suppress=missingInclude --suppress=unknownMacro --library=gtk -D_GNU_SOURCE -I. $(DIRS)

lint-shell: lint-setup
	@shellcheck -x .ci/run $(wildcard tests/*.sh $(addprefix tests/guest/,build debian init lease *.sh) tests/bench/*.sh)

lint-man: lint-setup $(BUILD)/man/drover.yaml.5
	@mandoc -T lint -W warning man/drover.1 $(BUILD)/man/drover.yaml.5

lint-examples: lint-setup
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@BUILD=$(BUILD) tests/run examples

.PHONY: format
format:
	clang-format -i $(SOURCES) $(wildcard $(addsuffix /*.h,$(DIRS))) $(wildcard tests/*/*.c)

# ---- manual, installation ----

# The key reference comes from the table of keys.
$(BUILD)/man/drover.yaml.5: man/drover.yaml.5.in $(BUILD)/drover
	@mkdir -p $(@D)
	@awk -v reference="$(BUILD)/drover schema --man" \
	        '/^@REFERENCE@$$/ { while ((reference | getline line) > 0) print line; next } \
	        { print }' $< >$@.draft
	@mv $@.draft $@

.PHONY: man
man: $(BUILD)/man/drover.yaml.5

.PHONY: install
install: all man
	install -D -m 755 $(BUILD)/drover $(DESTDIR)$(PREFIX)/bin/drover
	install -D -m 644 man/drover.1 $(DESTDIR)$(PREFIX)/share/man/man1/drover.1
	install -D -m 644 $(BUILD)/man/drover.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man5/drover.yaml.5
	install -d -m 755 $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(BUILD)/drover completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/drover
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ] && ! getent passwd drover >/dev/null; then \
	        useradd --system --user-group --no-create-home --shell /usr/sbin/nologin drover; fi
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ] && getent group kvm >/dev/null; then usermod -aG kvm drover; fi

.PHONY: uninstall
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/drover $(DESTDIR)$(PREFIX)/share/man/man1/drover.1 \
	        $(DESTDIR)$(PREFIX)/share/man/man5/drover.yaml.5 $(DESTDIR)$(PREFIX)/share/bash-completion/completions/drover

# For clangd and other editors' servers.
compile_commands.json: Makefile $(SOURCES)
	@{ echo '['; separator=; for file in $(SOURCES); do \
	        printf '%s{"directory": "%s", "file": "%s", "command": "cc %s -c %s"}\n' \
	                "$$separator" '$(CURDIR)' "$$file" '$(subst \",\\\",$(ALL_CFLAGS))' "$$file"; separator=,; \
	        done; echo ']'; } >$@

-include $(LIBRARY_OBJECTS:.o=.d) $(BUILD)/cmd/main.d $(UNIT_TESTS:=.d) $(BENCH:=.d)

.PHONY: clean
clean:
	rm -rf $(BUILD)
