//! Every target takes what is in its corpus, on the stable toolchain, and some changes to each of them.

use std::fs;
use std::panic;
use std::path::Path;

use cedargate_fuzz::TARGETS;

/// How many changed copies of each file are tried. What libFuzzer does in minutes this does not: it keeps the targets from
/// taking their own corpus and nothing else.
const CHANGED: u64 = 40;

#[test]
fn every_target_takes_its_corpus_and_changes_to_it() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 3, "{} has {} files", folder.display(), files.len());
        for file in &files {
            let octets = fs::read(file).unwrap();
            if let Err(said) = panic::catch_unwind(|| target(&octets)) {
                panic!("{}: {}", file.display(), said.downcast_ref::<String>().map_or("a panic", String::as_str));
            }
            let mut random = Random(octets.len() as u64 + 1);
            for _ in 0..CHANGED {
                let changed = random.change(&octets);
                if panic::catch_unwind(|| target(&changed)).is_err() {
                    panic!("{}, changed to {:?}", file.display(), changed.escape_ascii().to_string());
                }
            }
        }
        println!("{name}: {} files", files.len());
    }
}

/// SplitMix64: the same changes each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).unwrap()
    }

    fn change(&mut self, octets: &[u8]) -> Vec<u8> {
        const TELLING: &[u8] = b"\0\t\n\r \"#%&'();/:<=>?@[\\]{}~\x7f\x80\xff0Aa";
        let mut changed = octets.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(changed.len());
            let octet = TELLING[self.below(TELLING.len())];
            match self.below(4) {
                0 if at < changed.len() => changed[at] = octet,
                1 => changed.insert(at, octet),
                2 if at < changed.len() => drop(changed.remove(at)),
                _ => changed.truncate(changed.len() - self.below(changed.len() / 4 + 1)),
            }
        }
        changed
    }
}

#[test]
fn every_corpus_has_its_target() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "no target takes corpus/{name}");
    }
}
