//! What happens to the services, the policies and the keys meanwhile.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::World;

/// How long everything is well between two faults, and how long a service is gone.
const BETWEEN: Duration = Duration::from_millis(1_500);
const GONE: Duration = Duration::from_millis(700);

/// How long a service that is back may take to be asked again.
const BACK_PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Faults<'w> {
    world: &'w World,
    stop: &'w AtomicBool,
    matrix: PathBuf,
    original: String,
}

/// What was done, and what did not go as it should.
#[derive(Default)]
pub(super) struct Struck {
    pub(super) deaths: u32,
    pub(super) reloads: u32,
    pub(super) bad_policies: u32,
    pub(super) rotations: u32,
    pub(super) wrong: Vec<String>,
}

impl<'w> Faults<'w> {
    pub(super) fn new(world: &'w World, stop: &'w AtomicBool) -> io::Result<Self> {
        let matrix = world.path("policies/echo/matrix.txt");
        let original = std::fs::read_to_string(&matrix)?;
        Ok(Self { world, stop, matrix, original })
    }

    /// One fault after the other until it is told to stop; everything is well again when it ends.
    pub(super) fn strike(&self) -> io::Result<Struck> {
        let mut struck = Struck::default();
        for round in 0.. {
            if !self.rest(BETWEEN) {
                break;
            }
            match round % 5 {
                0 => self.kill_echo(&mut struck)?,
                1 => self.kill_inventory(&mut struck)?,
                2 => self.change_policies(round, &mut struck)?,
                3 => self.break_policies(&mut struck)?,
                _ => self.rotate_keys(&mut struck)?,
            }
        }
        std::fs::write(&self.matrix, &self.original)?;
        Ok(struck)
    }

    /// Waits; false once it is over.
    fn rest(&self, length: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < length {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        true
    }

    fn kill_echo(&self, struck: &mut Struck) -> io::Result<()> {
        self.world.stop_echo()?;
        self.rest(GONE);
        self.is_ready(struck, "while a service was gone");
        self.world.start_echo()?;
        struck.deaths += 1;
        self.is_back("/echo/open/a", struck);
        Ok(())
    }

    fn kill_inventory(&self, struck: &mut Struck) -> io::Result<()> {
        self.world.kill_inventory()?;
        self.rest(GONE);
        self.is_ready(struck, "while a service was gone");
        self.world.restart_inventory()?;
        struck.deaths += 1;
        Ok(())
    }

    fn change_policies(&self, round: u32, struck: &mut Struck) -> io::Result<()> {
        // A storm of them: none is waited for but the last.
        for change in 0..10 {
            std::fs::write(&self.matrix, format!("{}\n# change {round}.{change}\n", self.original))?;
            self.hang_up()?;
        }
        struck.reloads += 10;
        Ok(())
    }

    /// A matrix with a mistake changes nothing, and neither does one that would overflow a parser's stack.
    fn break_policies(&self, struck: &mut Struck) -> io::Result<()> {
        let deep = format!("\nwhen deep:\n    {}1{} == 1\n", "(".repeat(5_000), ")".repeat(5_000));
        for mistaken in [self.original.replace("allow", "perhaps"), self.original.clone() + &deep] {
            std::fs::write(&self.matrix, mistaken)?;
            self.hang_up()?;
            self.rest(Duration::from_millis(300));
            self.is_ready(struck, "with policies that have mistakes");
            struck.bad_policies += 1;
        }
        std::fs::write(&self.matrix, &self.original)
    }

    fn rotate_keys(&self, struck: &mut Struck) -> io::Result<()> {
        self.world.cedargate(&["keys", "rotate", "identity"])?;
        self.hang_up()?;
        struck.rotations += 1;
        Ok(())
    }

    fn hang_up(&self) -> io::Result<()> {
        let id = i32::try_from(self.world.gateway_id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        kill_process(id, Signal::HUP).map_err(io::Error::from)
    }

    /// The gateway is ready whatever its services do: whoever asks for them is told that they are away.
    fn is_ready(&self, struck: &mut Struck, when: &str) {
        match self.world.admin("/readyz") {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => struck.wrong.push(format!("/readyz said {} {when}", answer.status)),
            Err(error) => struck.wrong.push(format!("/readyz did not answer {when}: {error}")),
        }
    }

    fn is_back(&self, target: &str, struck: &mut Struck) {
        let begun = Instant::now();
        while self.world.try_ask("acme", "GET", target).is_none_or(|answer| answer.status != 200) {
            if begun.elapsed() > BACK_PATIENCE {
                return struck.wrong.push(format!("`{target}` was not answered after its service had returned"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}
