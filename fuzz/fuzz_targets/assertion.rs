#![no_main]
#![doc = "Runs `cedargate_fuzz::assertion` under libFuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cedargate_fuzz::assertion(data));
