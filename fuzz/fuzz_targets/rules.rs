#![no_main]
#![doc = "Runs `cedargate_fuzz::rules` under libFuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cedargate_fuzz::rules(data));
