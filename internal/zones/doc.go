// Package zones loads IANA time zones from a copy of the zone data that is
// part of the program, never from the machine it runs on. Days, business hours
// and months of a report are then the same on every machine, and a report that
// names [Version] can be made again, byte for byte, years later.
//
//	berlin, err := zones.Load("Europe/Berlin")
//
// The package looks at neither the ZONEINFO variable, nor TZ, nor the zone
// files of the system or of the Go installation. It does not know the zone of
// the machine: the name "Local" is refused.
//
// README.md says where the copy comes from and how to renew it.
package zones
