// vcsim: VMware's own simulator of the vSphere API as an ESXi host or as a vCenter, on loopback,
// over TLS with the certificate given. It prints its port and ends when its input is closed.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	kind := flag.String("kind", "esx", "esx or vpx")
	certificate := flag.String("certificate", "", "file of the certificate")
	key := flag.String("key", "", "file of its key")
	user := flag.String("user", "root", "who may log in")
	password := flag.String("password", "", "with which password")
	edition := flag.String("edition", "eval", "edition of the licence")
	flag.Parse()

	simulator.EvalLicense.EditionKey = *edition
	model := simulator.ESX()
	if *kind == "vpx" {
		model = simulator.VPX()
	}
	defer model.Remove()
	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		log.Fatal(err)
	}
	model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	model.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(*user, *password)}
	server := model.Service.NewServer()
	defer server.Close()
	fmt.Println(server.URL.Port())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
