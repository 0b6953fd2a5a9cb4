//! The series of the volumes, as Portworx exports them.

use autopilot_stack::Exporter;

/// Bytes in a gibibyte, as metrics carry sizes.
pub const GIB: f64 = 1_073_741_824.0;

const USED: &str = "px_volume_usage_bytes";
const CAPACITY: &str = "px_volume_capacity_bytes";

/// Sets the series of a volume, in gibibytes. A scrape sees both or none.
pub fn set_usage(exporter: &Exporter, volume: &str, used: f64, capacity: f64) {
    let labels: &[(&str, &str)] = &[("volumename", volume)];
    exporter.set_all([(USED, labels, used * GIB), (CAPACITY, labels, capacity * GIB)]);
}

/// Removes the series of a volume.
pub fn remove_usage(exporter: &Exporter, volume: &str) {
    for series in [USED, CAPACITY] {
        exporter.remove(series, &[("volumename", volume)]);
    }
}
