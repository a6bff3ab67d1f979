#![no_main]
#![doc = "Runs `cedargate_fuzz::inspection` under libFuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cedargate_fuzz::inspection(data));
