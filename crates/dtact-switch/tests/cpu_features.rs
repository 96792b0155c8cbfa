//! What the CPU is said to do agrees with what the system says.
#![cfg(all(not(miri), target_os = "linux", target_arch = "x86_64"))]

use dtact_switch::CpuFeatures;

/// The flags of the first CPU in `/proc/cpuinfo`.
fn flags() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").expect("Linux tells");
    let line = text
        .lines()
        .find(|line| line.starts_with("flags"))
        .expect("flags on x86-64");
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn features_are_those_that_the_system_lists() {
    let flags = flags();
    let listed = |name: &str| flags.iter().any(|flag| flag == name);
    let found = CpuFeatures::detect();
    for (feature, name) in [
        (CpuFeatures::WIDE_VECTORS, "avx512f"),
        (CpuFeatures::MATRIX_TILES, "amx_tile"),
    ] {
        assert!(
            !found.contains(feature) || listed(name),
            "{name}: {found:?}"
        );
    }
    // Not by the list: Valgrind's CPU lacks what the machine's has.
    assert_eq!(
        found.contains(CpuFeatures::WIDE_VECTORS),
        std::is_x86_feature_detected!("avx512f")
    );
    // The kernel lists this one where it uses it itself; the CPU may have it all the same.
    assert!(found.contains(CpuFeatures::BRANCH_TARGETS) || !listed("ibt"));
    for feature in [CpuFeatures::SIGNED_RETURNS, CpuFeatures::MEMORY_TAGS] {
        assert!(!found.contains(feature), "not of this architecture");
    }
    if !listed("user_shstk") {
        assert!(!found.contains(CpuFeatures::SHADOW_STACK));
        assert_eq!(CpuFeatures::check_supported(), Ok(()));
    }
}
