# drover: compose for virtual machines
#
#   make            build/drover
#   make demo       install what is missing, build, make the tiny guest, run a real lab
#   make check      install what is missing, run all tests
#   make lint       warnings as errors, clang-tidy, cppcheck, shellcheck, man pages, examples
#   make bench      the measures, side by side
#   make install    DESTDIR= PREFIX=/usr/local

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= gcc
CFLAGS  ?= -O2 -g
WERROR  ?=
DIRS    ?= base parser network runtime cmd

PACKAGES := glib-2.0 jansson yaml-0.1 libnl-3.0 libnl-route-3.0 libnftables
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla \
            -Wformat=2 -Wundef -Wno-missing-field-initializers -Wno-unused-parameter

PACKAGE_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))
PACKAGE_LIBS   = $(shell pkg-config --libs $(PACKAGES))
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DDROVER_VERSION='"$(VERSION)"' -I. $(WARNINGS) \
             $(if $(WERROR),-Werror) -fstack-protector-strong -fPIE $(PACKAGE_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)

SOURCES := $(wildcard $(addsuffix /*.c,$(DIRS)) $(addsuffix /*/*.c,$(DIRS)))
LIBRARY_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out cmd/main.c,$(SOURCES)))
LIBRARY := $(BUILD)/libdrover.a
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test-*.c))

.PHONY: all
all: $(BUILD)/drover

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIBRARY): $(LIBRARY_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/drover: $(BUILD)/cmd/main.o $(LIBRARY)
	$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(PACKAGE_LIBS)

$(BUILD)/unit/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(LIBRARY) $(PACKAGE_LIBS)

.PHONY: unit
unit: $(UNIT_TESTS)

-include $(LIBRARY_OBJECTS:.o=.d) $(BUILD)/cmd/main.d $(UNIT_TESTS:=.d)

.PHONY: clean
clean:
	rm -rf $(BUILD)
