package docker

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"msdev/runner"
)

// endpoint is the place of a container in one network.
type endpoint struct {
	network  string // its name in the engine
	settings *network.EndpointSettings
}

// interfaceOption is the endpoint option by which an engine names the interface in the container.
const interfaceOption = "com.docker.network.endpoint.ifname"

// join fills in which networks the container is in: the first is its network mode, the others come with it, or after it
// on engines that take only one (API below 1.44).
func (r *Runtime) join(s types.ServiceConfig, number int, links []string, spec *containerSpec) error {
	if s.NetworkMode != "" {
		spec.host.NetworkMode = container.NetworkMode(s.NetworkMode)
		return nil
	}
	if len(r.project().Compose.Networks) == 0 {
		spec.host.NetworkMode = network.NetworkNone
		return nil
	}
	keys := s.NetworksByPriority()
	if len(keys) == 0 {
		keys = []string{"default"}
	}
	spec.network = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}
	for i, key := range keys {
		e, err := r.endpointOf(s, number, key, links)
		if err != nil {
			return err
		}
		if i == 0 {
			if e.settings.MacAddress == nil {
				if e.settings.MacAddress, err = macOf(s.MacAddress); err != nil {
					return err
				}
			}
			spec.host.NetworkMode = container.NetworkMode(e.network)
		}
		if i == 0 || r.atLeast("1.44") {
			spec.network.EndpointsConfig[e.network] = e.settings
		} else {
			spec.later = append(spec.later, e)
		}
	}
	return nil
}

func (r *Runtime) endpointOf(s types.ServiceConfig, number int, key string, links []string) (endpoint, error) {
	name := containerName(r.project().Name, s, number)
	e := endpoint{network: r.project().Compose.Networks[key].Name, settings: &network.EndpointSettings{
		Aliases: []string{name, s.Name}, Links: links, IPAMConfig: &network.EndpointIPAMConfig{},
	}}
	c := s.Networks[key]
	if c == nil {
		e.settings.IPAMConfig = nil
		return e, nil
	}
	to := e.settings
	to.Aliases = append(to.Aliases, c.Aliases...)
	to.GwPriority = c.GatewayPriority
	var err error
	if to.MacAddress, err = macOf(c.MacAddress); err != nil {
		return endpoint{}, err
	}
	if c.Ipv4Address != "" {
		if to.IPAMConfig.IPv4Address, err = netip.ParseAddr(c.Ipv4Address); err != nil {
			return endpoint{}, err
		}
		to.IPAddress = to.IPAMConfig.IPv4Address
	}
	if c.Ipv6Address != "" {
		if to.IPAMConfig.IPv6Address, err = netip.ParseAddr(c.Ipv6Address); err != nil {
			return endpoint{}, err
		}
		to.GlobalIPv6Address = to.IPAMConfig.IPv6Address
	}
	for _, ip := range c.LinkLocalIPs {
		addr, err := netip.ParseAddr(ip)
		if err != nil {
			return endpoint{}, err
		}
		to.IPAMConfig.LinkLocalIPs = append(to.IPAMConfig.LinkLocalIPs, addr)
	}
	to.DriverOpts = maps.Clone(c.DriverOpts)
	if c.InterfaceName != "" {
		if !r.atLeast("1.49") {
			return endpoint{}, fmt.Errorf("networks.%s.interface_name needs Docker Engine 28.1 or newer", key)
		}
		if to.DriverOpts == nil {
			to.DriverOpts = map[string]string{}
		}
		if _, set := to.DriverOpts[interfaceOption]; !set {
			to.DriverOpts[interfaceOption] = c.InterfaceName
		}
	}
	return e, nil
}

func macOf(s string) (network.HardwareAddr, error) {
	if s == "" {
		return nil, nil
	}
	mac, err := net.ParseMAC(s)
	return network.HardwareAddr(mac), err
}

// linksOf are the legacy links of a service. The containers linked to are those that exist when it is made.
func (r *Runtime) linksOf(s types.ServiceConfig, number int) ([]string, error) {
	var links []string
	for _, l := range s.Links {
		target, alias, ok := strings.Cut(l, ":")
		if !ok {
			alias = target
		}
		names := r.known.namesOf(target)
		if len(names) == 0 {
			return nil, &runner.Error{Kind: runner.ErrFailed, Service: s.Name,
				Msg:  fmt.Sprintf("service %q has a link to service %q, which has no container.", s.Name, target),
				Hint: "Bring it up first, or leave `links` out: services of one network find each other by name anyway."}
		}
		n := strconv.Itoa(number)
		for _, name := range names {
			links = append(links, name+":"+alias, name+":"+target+"-"+n, name+":"+r.project().Name+"-"+target+"-"+n)
		}
	}
	for _, l := range s.ExternalLinks {
		target, alias, ok := strings.Cut(l, ":")
		if !ok {
			alias = target
		}
		links = append(links, target+":"+alias)
	}
	return links, nil
}
