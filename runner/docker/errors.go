package docker

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"msdev/runner"
)

// subject is what an action was about, for the sentence of an error.
type subject struct {
	service string
	what    string // "container", "network", "image" …
	name    string
}

func (s subject) String() string {
	switch {
	case s.service != "":
		return fmt.Sprintf("service %q", s.service)
	case s.what != "":
		return fmt.Sprintf("%s %q", s.what, s.name)
	default:
		return "the Docker engine"
	}
}

// The engine's sentences, of Engine 20.10 up to 29; where they differ, both.
var (
	portAllocated = regexp.MustCompile(`Bind for \S*?:(\d+) failed: port is already allocated`)
	portInUse     = regexp.MustCompile(`(?:listen (?:tcp|udp)[46]? \S*?:(\d+): bind: (?:address already in use|Only one usage)|failed to bind (?:host )?port (?:for )?(?:\[[^\]]*\]|[\d.]*)?:(\d+)\S*: address already in use|ports are not available:.*?:(\d+))`)
	portForbidden = regexp.MustCompile(`listen (?:tcp|udp)[46]? \S*?:(\d+): bind: permission denied|failed to bind host port \S*?:(\d+)\S*: permission denied`)
	nameTaken     = regexp.MustCompile(`container name "/?([^"]+)" is already in use by container "?([0-9a-f]{12,64})`)
	noSuchImage   = regexp.MustCompile(`(?i)no such image: (\S+)`)
	noSuchNetwork = regexp.MustCompile(`(?i)network (\S+) not found|could not find a network matching network mode (\S+):`)
	ambiguous     = regexp.MustCompile(`network (\S+) is ambiguous`)
	noBindSource  = regexp.MustCompile(`bind source path does not exist: (\S+)`)
	noExecutable  = regexp.MustCompile(`exec: \\?"([^"\\]+)\\?": (?:executable file not found|stat .*: no such file|permission denied|no such file)`)
	notDirectory  = regexp.MustCompile(`mounting "([^"]+)" to rootfs at "([^"]+)".*(?:not a directory|Are you trying to mount a directory onto a file)`)
	sharedPath    = regexp.MustCompile(`(?i)mounts denied:?\s*(?:the path )?(\S+)`)
	addressTaken  = regexp.MustCompile(`(?i)address already in use|no available IPv4 addresses|pool overlaps`)
	networkInUse  = regexp.MustCompile(`has active endpoints|network is in use|error while removing network`)
	volumeInUse   = regexp.MustCompile(`volume is in use`)
	imageInUse    = regexp.MustCompile(`(?:image is being used|unable to (?:remove|delete)).*container ([0-9a-f]+)`)
	denied        = regexp.MustCompile(`(?i)pull access denied for (\S+?),|denied: requested access|unauthorized|authentication required|no basic auth credentials`)
	unknownTag    = regexp.MustCompile(`(?i)manifest (?:for \S+ )?(?:not found|unknown)|not found: manifest|failed to resolve reference .*not found`)
	tooMany       = regexp.MustCompile(`(?i)toomanyrequests|rate limit`)
	offline       = regexp.MustCompile(`(?i)dial tcp|no such host|i/o timeout|connection refused|TLS handshake|network is unreachable|request canceled while waiting for connection|x509`)
	noLogs        = regexp.MustCompile(`does not support reading`)
	platformOther = regexp.MustCompile(`does not match the (?:specified|detected) platform|no matching manifest for`)
)

// explain turns what the engine said into a sentence that names what is at fault, and the way out.
func (r *Runtime) explain(err error, about subject) error {
	var known *runner.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case client.IsErrConnectionFailed(err) || errdefs.IsUnavailable(err) && strings.Contains(err.Error(), "connect"):
		return engineError(r.address, err)
	}
	text := oneLine(err.Error())
	e := &runner.Error{Kind: runner.ErrFailed, Service: about.service, Err: err}
	for _, read := range []func(*runner.Error, subject, string) bool{r.portError, r.containerError, storageError, resourceError, pullError} {
		if read(e, about, text) {
			return e
		}
	}
	if lost(err) {
		return engineError(r.address, err)
	}
	e.Msg = fmt.Sprintf("%s: %s", about, sentence(text))
	return e
}

// lost tells whether the connection broke while the engine was asked.
func lost(err error) bool {
	text := err.Error()
	return strings.HasSuffix(text, "EOF") || strings.Contains(text, "connection reset by peer") || strings.Contains(text, "broken pipe")
}

// portError is a published port that cannot be had.
func (r *Runtime) portError(e *runner.Error, about subject, text string) bool {
	if port := match(portForbidden, text); port != "" {
		e.Msg = fmt.Sprintf("%s cannot publish port %s: permission denied.", about, port)
		e.Hint = "Ports below 1024 need an engine that runs as root; publish a higher one."
		return true
	}
	port := match(portAllocated, text)
	if port == "" {
		port = match(portInUse, text)
	}
	if port == "" {
		return false
	}
	who := r.holderOf(port)
	e.Msg = fmt.Sprintf("%s cannot publish port %s: it is taken by %s.", about, port, who.text)
	e.Hint = who.hint
	return true
}

func (r *Runtime) containerError(e *runner.Error, about subject, text string) bool {
	switch {
	case nameTaken.MatchString(text):
		m := nameTaken.FindStringSubmatch(text)
		e.Msg = fmt.Sprintf("%s needs the container name %q, which another container has: %s.", about, m[1], r.describeContainer(m[2]))
		e.Hint = fmt.Sprintf("Remove it (`docker rm -f %s`), or give the service another `container_name`.", m[1])
	case noSuchImage.MatchString(text):
		e.Msg = fmt.Sprintf("%s: the image %q is not there.", about, strings.TrimRight(match(noSuchImage, text), "."))
		e.Hint = "Pull or build it: `msdev up --pull missing` or `msdev up --build`."
	case noExecutable.MatchString(text):
		e.Msg = fmt.Sprintf("%s: its image has no program %q that could be run.", about, match(noExecutable, text))
		e.Hint = "Correct `command` or `entrypoint`; a command in shell form needs a shell in the image."
	case strings.Contains(text, "no command specified") || strings.Contains(text, "No command specified"):
		e.Msg = fmt.Sprintf("%s: neither the compose file nor the image says what to run.", about)
		e.Hint = "Give it a `command`."
	case noLogs.MatchString(text):
		e.Msg = fmt.Sprintf("%s: the logs of its log driver cannot be read back.", about)
		e.Hint = "Use `logging: {driver: local}` for the service to see its logs here."
	case platformOther.MatchString(text):
		e.Msg = fmt.Sprintf("%s: its image is not made for this platform: %s", about, sentence(text))
		e.Hint = "Name another `platform`, or build the image for this one."
	case strings.Contains(text, "is not running"):
		e.Msg = fmt.Sprintf("%s does not run.", about)
		e.Hint = "Start it first."
	default:
		return false
	}
	return true
}

// storageError is a mount that cannot be made, or a disk that is full.
func storageError(e *runner.Error, about subject, text string) bool {
	switch {
	case strings.Contains(text, "no space left on device"):
		e.Msg = fmt.Sprintf("%s: the disk of the Docker engine is full.", about)
		e.Hint = "`docker system df` shows what takes the space; `docker system prune` gives back what is unused."
	case noBindSource.MatchString(text):
		e.Msg = fmt.Sprintf("%s mounts %s, which does not exist.", about, match(noBindSource, text))
		e.Hint = "Make it, or let it be made: `bind: {create_host_path: true}`."
	case notDirectory.MatchString(text):
		m := notDirectory.FindStringSubmatch(text)
		e.Msg = fmt.Sprintf("%s mounts %s at %s, but one is a file and the other a folder.", about, m[1], m[2])
		e.Hint = "A missing file of the host is made as a folder: remove that folder, make the file, and try again."
	case sharedPath.MatchString(text):
		e.Msg = fmt.Sprintf("%s mounts %s, which is not shared with the engine's machine.", about, match(sharedPath, text))
		e.Hint = "Share it in Docker Desktop's settings (Resources, File sharing)."
	case strings.Contains(text, "unable to apply caps"), strings.Contains(text, "error setting rlimit"):
		e.Msg = fmt.Sprintf("%s asks for rights that the engine does not have: %s", about, sentence(text))
		e.Hint = "Leave `privileged`, `cap_add` or `ulimits` out, or run the engine with those rights."
	default:
		return false
	}
	return true
}

// resourceError is about networks, volumes and images.
func resourceError(e *runner.Error, about subject, text string) bool {
	switch {
	case noSuchNetwork.MatchString(text):
		name := strings.Trim(match(noSuchNetwork, text), `"`)
		e.Msg = fmt.Sprintf("%s is to join the network %q, which does not exist.", about, name)
		e.Hint = fmt.Sprintf("An external network is made by hand: `docker network create %s`.", name)
	case ambiguous.MatchString(text):
		name := match(ambiguous, text)
		e.Msg = fmt.Sprintf("%s is to join the network %q, of which there are several.", about, name)
		e.Hint = fmt.Sprintf("`docker network ls -f name=%s` lists them; remove all but one by id.", name)
	case networkInUse.MatchString(text):
		e.Msg = fmt.Sprintf("%s cannot be removed: containers are still connected to it.", about)
		e.Hint = "`docker network inspect " + about.name + "` names them."
	case volumeInUse.MatchString(text):
		e.Msg = fmt.Sprintf("%s cannot be removed: a container still uses it.", about)
		e.Hint = "`docker ps -a --filter volume=" + about.name + "` names it."
	case imageInUse.MatchString(text):
		e.Msg = fmt.Sprintf("the image %q cannot be removed: container %s still uses it.", about.name, match(imageInUse, text))
		e.Hint = "Remove that container first."
	case about.what == "network" && addressTaken.MatchString(text):
		e.Msg = fmt.Sprintf("%s cannot be made: %s", about, sentence(text))
		e.Hint = "Give it another `subnet`; `docker network ls` lists what is taken, `docker network prune` gives back what is unused."
	case addressTaken.MatchString(text):
		e.Msg = fmt.Sprintf("%s cannot have the address it asks for: %s", about, sentence(text))
		e.Hint = "Change its `ipv4_address`, or leave it out."
	default:
		return false
	}
	return true
}

// pullError is an image that a registry does not give.
func pullError(e *runner.Error, about subject, text string) bool {
	if about.what != "image" {
		return false
	}
	switch {
	case unknownTag.MatchString(text):
		e.Msg = fmt.Sprintf("%s: the registry has no image %q.", about, about.name)
		e.Hint = "Check the name and the tag."
	case tooMany.MatchString(text):
		e.Msg = fmt.Sprintf("%s: the registry refuses more pulls of %q for now.", about, about.name)
		e.Hint = "`docker login` raises the limit; or wait."
	case denied.MatchString(text):
		e.Msg = fmt.Sprintf("%s: the registry does not give the image %q: it does not exist, or needs a login.", about, about.name)
		e.Hint = "Check the name, or `docker login` first."
	case offline.MatchString(text):
		e.Msg = fmt.Sprintf("%s: the image %q is not there, and its registry cannot be reached: %s", about, about.name, sentence(text))
		e.Hint = "Check the network and the engine's proxy; `docker load` brings in an image without a registry."
	default:
		return false
	}
	return true
}

// match returns the first group that matched.
func match(re *regexp.Regexp, text string) string {
	for _, group := range re.FindStringSubmatch(text)[min(1, len(re.FindStringSubmatch(text))):] {
		if group != "" {
			return group
		}
	}
	return ""
}

// oneLine is an error text without what the client puts before it, on one line.
func oneLine(text string) string {
	text = strings.TrimPrefix(text, "Error response from daemon: ")
	return strings.Join(strings.Fields(text), " ")
}

// sentence ends a text with a full stop.
func sentence(text string) string {
	return strings.TrimRight(text, ". ") + "."
}

// alreadySo tells whether an action found things as it wanted them (304), or as good as that.
func alreadySo(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return errdefs.IsNotModified(err) || strings.Contains(text, "is not running") || strings.Contains(text, "is already paused") || strings.Contains(text, "is not paused")
}

// underRemoval tells whether somebody else removes the container just now.
func underRemoval(err error) bool {
	return err != nil && strings.Contains(err.Error(), "is already in progress")
}

// beingRemoved tells whether an engine answers nothing more of a container, because it goes just now.
func beingRemoved(err error) bool {
	return err != nil && strings.Contains(err.Error(), "dead or marked for removal")
}

// describeContainer says whose a container is.
func (r *Runtime) describeContainer(id string) string {
	short := id[:min(12, len(id))]
	ctx, cancel := context.WithTimeout(context.Background(), lookLimit)
	defer cancel()
	res, err := r.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil || res.Container.Config == nil {
		return short
	}
	labels := res.Container.Config.Labels
	if project := labels[labelProject]; project != "" {
		return fmt.Sprintf("%s (service %q of project %q)", short, labels[labelService], project)
	}
	return fmt.Sprintf("%s (made from %s, not by Compose)", short, res.Container.Config.Image)
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
