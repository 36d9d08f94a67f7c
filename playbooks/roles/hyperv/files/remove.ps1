# Remove every virtual machine that carries Baremark's mark, and the folders and disks that
# Baremark made for them. The folder is Baremark's alone: a disk in it needs no mark.
param(
    [Parameter(Mandatory)] [string] $Mark,
    [Parameter(Mandatory)] [string] $Folder
)
$ErrorActionPreference = 'Stop'
$Ansible.Changed = $false
if (Get-Command -Name Get-VM -ErrorAction SilentlyContinue) {
    foreach ($machine in @(Get-VM | Where-Object { "$($_.Notes)".StartsWith("$Mark $($_.Name) ") })) {
        if ($machine.State -ne 'Off') { Stop-VM -VM $machine -TurnOff -Force }
        Remove-VM -VM $machine -Force
        $Ansible.Changed = $true
    }
}
if (Test-Path -Path $Folder) {
    $places = Get-ChildItem -Path $Folder -Directory -Filter 'baremark-*' |
        Where-Object { Test-Path -Path (Join-Path -Path $_.FullName -ChildPath 'baremark.target') }
    $disks = Get-ChildItem -Path $Folder -File -Filter 'baremark-*.vhdx'
    foreach ($left in @($places) + @($disks)) {
        if ($null -eq $left) { continue }
        Remove-Item -Path $left.FullName -Recurse -Force
        $Ansible.Changed = $true
    }
    if ($null -eq (Get-ChildItem -Path $Folder -Force | Select-Object -First 1)) {
        Remove-Item -Path $Folder
    }
}
