//! The spool on disks that lose, fail and delay.
