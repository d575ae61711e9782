package docker

import (
	"maps"
	"regexp"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/blkiodev"
	"github.com/moby/moby/api/types/container"
)

// resourcesOf are the limits, devices and ulimits of a service, by its own attributes and by deploy.resources, which wins.
func resourcesOf(s types.ServiceConfig) container.Resources {
	r := container.Resources{
		CgroupParent: s.CgroupParent,
		Memory:       int64(s.MemLimit), MemorySwap: int64(s.MemSwapLimit), MemoryReservation: int64(s.MemReservation),
		OomKillDisable: &s.OomKillDisable,
		CPUCount:       s.CPUCount, CPUPeriod: s.CPUPeriod, CPUQuota: s.CPUQuota,
		CPURealtimePeriod: s.CPURTPeriod, CPURealtimeRuntime: s.CPURTRuntime, CPUShares: s.CPUShares,
		NanoCPUs: int64(s.CPUS * 1e9), CPUPercent: int64(s.CPUPercent * 100), CpusetCpus: s.CPUSet,
		DeviceCgroupRules: s.DeviceCgroupRules,
		Ulimits:           ulimitsOf(s.Ulimits),
	}
	if s.MemSwappiness != 0 {
		n := int64(s.MemSwappiness)
		r.MemorySwappiness = &n
	}
	if s.PidsLimit != 0 {
		r.PidsLimit = &s.PidsLimit
	}
	blockIO(s.BlkioConfig, &r)
	if s.Deploy != nil {
		deployLimits(s.Deploy.Resources, &r)
	}
	devicesOf(s, &r)
	return r
}

func deployLimits(d types.Resources, r *container.Resources) {
	if l := d.Limits; l != nil {
		if l.MemoryBytes != 0 {
			r.Memory = int64(l.MemoryBytes)
		}
		if l.NanoCPUs != 0 {
			r.NanoCPUs = int64(l.NanoCPUs * 1e9)
		}
		if l.Pids > 0 {
			r.PidsLimit = &l.Pids
		}
	}
	if v := d.Reservations; v != nil {
		if v.MemoryBytes != 0 {
			r.MemoryReservation = int64(v.MemoryBytes)
		}
		for _, d := range v.Devices {
			r.DeviceRequests = append(r.DeviceRequests, container.DeviceRequest{
				Capabilities: [][]string{d.Capabilities}, Count: int(d.Count), DeviceIDs: d.IDs, Driver: d.Driver, Options: d.Options,
			})
		}
	}
}

// cdiName is a fully qualified device of the Container Device Interface: vendor.com/class=device.
var cdiName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*/[A-Za-z][A-Za-z0-9_-]*=[A-Za-z0-9][A-Za-z0-9_.:-]*$`)

func devicesOf(s types.ServiceConfig, r *container.Resources) {
	var cdi []string
	for _, d := range s.Devices {
		if d.Source == d.Target && cdiName.MatchString(d.Source) {
			cdi = append(cdi, d.Source)
			continue
		}
		r.Devices = append(r.Devices, container.DeviceMapping{PathOnHost: d.Source, PathInContainer: d.Target, CgroupPermissions: d.Permissions})
	}
	if len(cdi) > 0 {
		r.DeviceRequests = append(r.DeviceRequests, container.DeviceRequest{Driver: "cdi", DeviceIDs: cdi})
	}
	for _, g := range s.Gpus {
		r.DeviceRequests = append(r.DeviceRequests, container.DeviceRequest{
			Driver: g.Driver, Count: int(g.Count), DeviceIDs: g.IDs, Options: g.Options,
			Capabilities: [][]string{append(slices.Clone(g.Capabilities), "gpu")},
		})
	}
}

func ulimitsOf(m map[string]*types.UlimitsConfig) []*container.Ulimit {
	var limits []*container.Ulimit
	for _, name := range slices.Sorted(maps.Keys(m)) {
		u := m[name]
		l := &container.Ulimit{Name: name, Soft: int64(u.Single), Hard: int64(u.Single)}
		if u.Soft != 0 {
			l.Soft = int64(u.Soft)
		}
		if u.Hard != 0 {
			l.Hard = int64(u.Hard)
		}
		limits = append(limits, l)
	}
	return limits
}

func blockIO(b *types.BlkioConfig, r *container.Resources) {
	if b == nil {
		return
	}
	r.BlkioWeight = b.Weight
	for _, w := range b.WeightDevice {
		r.BlkioWeightDevice = append(r.BlkioWeightDevice, &blkiodev.WeightDevice{Path: w.Path, Weight: w.Weight})
	}
	throttle := func(list []types.ThrottleDevice) (devices []*blkiodev.ThrottleDevice) {
		for _, d := range list {
			devices = append(devices, &blkiodev.ThrottleDevice{Path: d.Path, Rate: uint64(d.Rate)})
		}
		return devices
	}
	r.BlkioDeviceReadBps, r.BlkioDeviceWriteBps = throttle(b.DeviceReadBps), throttle(b.DeviceWriteBps)
	r.BlkioDeviceReadIOps, r.BlkioDeviceWriteIOps = throttle(b.DeviceReadIOps), throttle(b.DeviceWriteIOps)
}
