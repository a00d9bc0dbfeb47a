package postgrestest

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Proxy stands between the engine and the server, and does what proxies and poolers in the field do.
type Proxy struct {
	// Drop takes parameters out of what a session begins with, as PgBouncer's ignore_startup_parameters does.
	Drop func(parameter string) bool
	// Refuse ends a session that begins with a parameter that a pooler does not know.
	Refuse bool
	// Pool gives each transaction another session of the server, in turn.
	Pool int

	mutex   sync.Mutex
	server  string
	open    []net.Conn
	idle    chan *pgconn.HijackedConn
	started sync.Once
}

// known are the parameters that PgBouncer keeps for its clients.
var known = []string{"user", "database", "client_encoding", "datestyle", "timezone", "standard_conforming_strings", "application_name"}

// Behind is the database as it is seen through a proxy.
func (d Database) Behind(t *testing.T, proxy *Proxy) Database {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy.server = net.JoinHostPort(d.Host, d.Port)
	t.Cleanup(func() {
		listener.Close()
		proxy.Cut()
	})
	credentials := d
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go proxy.serve(t, credentials, client)
		}
	}()
	d.Host, d.Port, _ = net.SplitHostPort(listener.Addr().String())
	return d
}

// Cut ends every connection through the proxy.
func (p *Proxy) Cut() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, connection := range p.open {
		connection.Close()
	}
	p.open = nil
}

func (p *Proxy) keep(connection net.Conn) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.open = append(p.open, connection)
}

func (p *Proxy) serve(t *testing.T, database Database, client net.Conn) {
	p.keep(client)
	defer client.Close()
	backend := pgproto3.NewBackend(client, client)
	for {
		first, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		switch message := first.(type) {
		case *pgproto3.SSLRequest, *pgproto3.GSSEncRequest:
			if _, err := client.Write([]byte("N")); err != nil {
				return
			}
			continue
		case *pgproto3.CancelRequest:
			p.relay(client, message)
		case *pgproto3.StartupMessage:
			p.begin(t, database, client, backend, message)
		}
		return
	}
}

func (p *Proxy) begin(t *testing.T, database Database, client net.Conn, backend *pgproto3.Backend, startup *pgproto3.StartupMessage) {
	for parameter := range startup.Parameters {
		switch {
		case p.Refuse && !slices.Contains(known, parameter):
			backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: " + parameter})
			_ = backend.Flush()
			return
		case p.Drop != nil && p.Drop(parameter):
			delete(startup.Parameters, parameter)
		}
	}
	if p.Pool == 0 {
		p.relay(client, startup)
		return
	}
	p.started.Do(func() { p.dial(t, database) })
	p.pool(backend)
}

// relay hands the first message on, and everything after it as it comes.
func (p *Proxy) relay(client net.Conn, first pgproto3.FrontendMessage) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	p.keep(server)
	defer server.Close()
	encoded, err := first.Encode(nil)
	if err != nil {
		return
	}
	if _, err := server.Write(encoded); err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		server.Close()
	}()
	_, _ = io.Copy(client, server)
}

func (p *Proxy) dial(t *testing.T, database Database) {
	p.idle = make(chan *pgconn.HijackedConn, p.Pool)
	for range p.Pool {
		config, err := pgconn.ParseConfig("sslmode=disable")
		if err != nil {
			t.Error(err)
			return
		}
		host, port, _ := net.SplitHostPort(p.server)
		config.Host, config.User, config.Password, config.Database = host, database.User, database.Password, database.Name
		number, _ := net.LookupPort("tcp", port)
		config.Port, config.Fallbacks = uint16(number), nil
		session, err := pgconn.ConnectConfig(context.Background(), config)
		if err != nil {
			t.Error(err)
			return
		}
		hijacked, err := session.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		p.keep(hijacked.Conn)
		p.idle <- hijacked
	}
}

// pool answers for a server of which each transaction of the client gets another session.
func (p *Proxy) pool(client *pgproto3.Backend) {
	key := make([]byte, 4)
	binary.BigEndian.PutUint32(key, 1)
	client.Send(&pgproto3.AuthenticationOk{})
	for name, value := range map[string]string{"server_version": "15.0", "client_encoding": "UTF8", "standard_conforming_strings": "on"} {
		client.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
	}
	client.Send(&pgproto3.BackendKeyData{ProcessID: 1, SecretKey: key})
	client.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if client.Flush() != nil {
		return
	}
	var server *pgconn.HijackedConn
	for {
		message, err := client.Receive()
		if err != nil {
			return
		}
		if _, ends := message.(*pgproto3.Terminate); ends {
			return
		}
		if server == nil {
			server = <-p.idle
		}
		server.Frontend.Send(message)
		switch message.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
		default:
			continue
		}
		status, err := answer(client, server.Frontend)
		if err != nil {
			return
		}
		if status == 'I' {
			p.idle <- server
			server = nil
		}
	}
}

// answer hands on what the server says to a message, to the end.
func answer(client *pgproto3.Backend, server *pgproto3.Frontend) (status byte, err error) {
	if err := server.Flush(); err != nil {
		return 0, err
	}
	for {
		message, err := server.Receive()
		if err != nil {
			return 0, err
		}
		client.Send(message)
		switch said := message.(type) {
		case *pgproto3.ReadyForQuery:
			return said.TxStatus, client.Flush()
		case *pgproto3.CopyInResponse:
			if err := client.Flush(); err != nil {
				return 0, err
			}
			reply, err := client.Receive()
			if err != nil {
				return 0, err
			}
			server.Send(reply)
			if err := server.Flush(); err != nil {
				return 0, err
			}
		}
	}
}
