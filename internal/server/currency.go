package server

import (
	"reflect"

	"github.com/leanfleet/leanfleet/money"
)

// named gives amounts and prices that came as number literals the currency
// that the struct around them names.
func named(v reflect.Value, c money.Currency) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			named(v.Elem(), c)
		}
	case reflect.Slice, reflect.Array:
		if !holdsMoney(v.Type().Elem()) {
			return
		}
		for i := range v.Len() {
			named(v.Index(i), c)
		}
	case reflect.Map:
		if !holdsMoney(v.Type().Elem()) {
			return
		}
		for _, key := range v.MapKeys() {
			item := reflect.New(v.Type().Elem()).Elem() // what lies in a map cannot be set
			item.Set(v.MapIndex(key))
			named(item, c)
			v.SetMapIndex(key, item)
		}
	case reflect.Struct:
		namedStruct(v, c)
	}
}

func namedStruct(v reflect.Value, c money.Currency) {
	switch x := v.Interface().(type) {
	case money.Amount:
		if x.Currency() == "" && c != "" {
			v.Set(reflect.ValueOf(x.In(c)))
		}
		return
	case money.Price:
		if x.Currency() == "" && c != "" {
			v.Set(reflect.ValueOf(x.In(c)))
		}
		return
	}
	if f, ok := v.Type().FieldByName("Currency"); ok && len(f.Index) == 1 && f.Type == reflect.TypeFor[money.Currency]() && v.Field(f.Index[0]).String() != "" {
		c = money.Currency(v.Field(f.Index[0]).String())
	}
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			named(v.Field(i), c)
		}
	}
}

// holdsMoney says whether values of a type may hold amounts; long slices of
// numbers need not be walked.
func holdsMoney(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return true
	}
	return false
}
