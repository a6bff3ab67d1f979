#!/bin/sh
# Compiles a crate of this workspace with the counters that libFuzzer steers by. Called by cargo as `instrument.sh rustc ...`.
rustc=$1
shift
optimize=
case " $* " in
# What runs while building is no part of a target, and would have nothing to link the counters with.
*" --crate-name build_script_"* | *" --crate-type proc-macro "*) exec "$rustc" "$@" ;;
# The inspection takes most of the time of its targets; it keeps its checks for overflow.
*" --crate-name cedargate_waf "*) optimize="-Copt-level=2" ;;
esac
# shellcheck disable=SC2086 # no option is none
exec "$rustc" "$@" $optimize -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1
