// Package chart tests charts/yett: it renders the chart with Helm's own library and looks at what comes out as
// typed objects. It is a module of its own, so that Helm is no dependency of the product: `make chart`.
package chart
