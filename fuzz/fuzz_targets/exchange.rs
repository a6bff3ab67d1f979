#![no_main]
#![doc = "Runs `cedargate_fuzz::exchange` under libFuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cedargate_fuzz::exchange(data));
