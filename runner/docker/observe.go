package docker

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"msdev/runner"
)

// trackedOf turns what the engine tells of a container into what we keep of it.
func trackedOf(c container.InspectResponse) tracked {
	t := tracked{instance: runner.Instance{ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Runtime: "docker"}}
	in := &t.instance
	in.CreatedAt = parseTime(c.Created)
	in.ImageID = c.Image
	in.Restarts = c.RestartCount
	if c.Config != nil {
		in.Image = c.Config.Image
		labelled(in, c.Config.Labels)
		t.test = healthTestOf(c.Config.Healthcheck, c.Config.Shell)
	}
	if c.NetworkSettings != nil {
		in.Ports = portsOf(c.NetworkSettings.Ports)
		in.Networks, in.Addresses = networksOf(c.NetworkSettings.Networks)
	}
	if c.State != nil {
		t.pid = c.State.Pid
		stateOf(in, c.State)
	}
	return t
}

// labelled fills in what the labels tell.
func labelled(in *runner.Instance, labels map[string]string) {
	in.Service = labels[labelService]
	in.Number, _ = strconv.Atoi(labels[labelNumber])
	in.OneOff = strings.EqualFold(labels[labelOneOff], "true")
	in.Hash = labels[labelHash]
	if id := labels[labelImage]; id != "" {
		in.ImageID = id
	}
}

func stateOf(in *runner.Instance, s *container.State) {
	in.State = runner.InstanceState(s.Status)
	in.ExitCode = s.ExitCode
	in.OOMKilled = s.OOMKilled
	in.Error = s.Error
	in.StartedAt = parseTime(s.StartedAt)
	in.FinishedAt = parseTime(s.FinishedAt)
	if s.Health == nil || s.Health.Status == container.NoHealthcheck {
		return
	}
	in.Health = runner.Health(s.Health.Status)
	if n := len(s.Health.Log); n > 0 && s.Health.Log[n-1] != nil {
		in.HealthLog = s.Health.Log[n-1].Output
	}
}

// portsOf lists the ports in a fixed order; one that is bound for IPv4 and IPv6 alike is one port.
func portsOf(m network.PortMap) []runner.Port {
	var ports []runner.Port
	for p, bindings := range m {
		port := runner.Port{Target: int(p.Num()), Protocol: string(p.Proto())}
		if len(bindings) == 0 {
			ports = append(ports, port)
		}
		for _, b := range bindings {
			port.Host, _ = strconv.Atoi(b.HostPort)
			port.HostIP = ""
			if b.HostIP.IsValid() {
				port.HostIP = b.HostIP.String()
			}
			ports = append(ports, port)
		}
	}
	slices.SortFunc(ports, func(a, b runner.Port) int {
		if a.Target != b.Target {
			return a.Target - b.Target
		}
		if c := strings.Compare(a.Protocol, b.Protocol); c != 0 {
			return c
		}
		if a.Host != b.Host {
			return a.Host - b.Host
		}
		return strings.Compare(a.HostIP, b.HostIP)
	})
	return slices.CompactFunc(ports, func(a, b runner.Port) bool {
		everywhere := func(ip string) bool { return ip == "0.0.0.0" || ip == "::" }
		return a.Target == b.Target && a.Protocol == b.Protocol && a.Host == b.Host && everywhere(a.HostIP) && everywhere(b.HostIP)
	})
}

// networksOf lists the ids of a container's networks and its addresses in them.
func networksOf(m map[string]*network.EndpointSettings) (ids, addresses []string) {
	for _, e := range m {
		if e == nil {
			continue
		}
		if e.NetworkID != "" {
			ids = append(ids, e.NetworkID)
		}
		if e.IPAddress.IsValid() {
			addresses = append(addresses, e.IPAddress.String())
		}
	}
	slices.Sort(ids)
	slices.Sort(addresses)
	return ids, addresses
}

// createdFrom is a container that was just made, from the event that tells so: it carries the labels, so that no further
// question to the engine is needed.
func createdFrom(id string, attributes map[string]string, at time.Time) tracked {
	in := runner.Instance{
		ID: id, Name: attributes["name"], Runtime: "docker", State: runner.InstanceCreated,
		Image: attributes["image"], CreatedAt: at,
	}
	labelled(&in, attributes)
	return tracked{instance: in}
}

// summaryOf is a container that was never started, from the list of containers.
func summaryOf(c container.Summary) tracked {
	in := runner.Instance{
		ID: c.ID, Runtime: "docker", State: runner.InstanceState(c.State),
		Image: c.Image, ImageID: c.ImageID, CreatedAt: time.Unix(c.Created, 0),
	}
	if len(c.Names) > 0 {
		in.Name = strings.TrimPrefix(c.Names[0], "/")
	}
	labelled(&in, c.Labels)
	if c.NetworkSettings != nil {
		in.Networks, in.Addresses = networksOf(c.NetworkSettings.Networks)
	}
	return tracked{instance: in}
}
