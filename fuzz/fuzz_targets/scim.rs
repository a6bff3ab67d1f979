#![no_main]
#![doc = "Runs `cedargate_fuzz::scim` under libFuzzer."]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cedargate_fuzz::scim(data));
