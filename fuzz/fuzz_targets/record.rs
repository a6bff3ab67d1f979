#![no_main]
#![doc = "Runs `cedargate_fuzz::record` under libFuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cedargate_fuzz::record(data));
